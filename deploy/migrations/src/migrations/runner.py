"""Runs migrations on a database, as its owner (never as a service's login role)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from migrations.plan import Phase, Step

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script

_HERE = files("migrations")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a step may hold the product up."""

    lock_s: float = 5.0
    """Whoever waits for a lock on a table makes everybody behind it wait too."""
    statement_s: float = 900.0
    turn_s: float = 600.0
    """How long to wait for another who migrates."""
    tries: int = 5
    """A step that did not get its locks is tried again from its beginning, so many times in all."""
    pause_s: float = 2.0
    """Between the first two tries; it grows."""

    @property
    def lock_ms(self) -> int:
        """For Postgres."""
        return max(1, int(self.lock_s * 1000))

    @property
    def statement_ms(self) -> int:
        """For Postgres."""
        return max(1, int(self.statement_s * 1000))

    @property
    def turn_ms(self) -> int:
        """For Postgres."""
        return max(1, int(self.turn_s * 1000))


DEFAULT_LIMITS = Limits()


def upgrade(dsn: str, revision: str = "head", *, limits: Limits = DEFAULT_LIMITS, versions: Path | None = None) -> None:
    """Bring the database at `dsn` (a `postgresql://` URL of its owner) up to `revision`; running it again changes nothing."""
    from alembic import command

    _with_locks(limits, lambda: command.upgrade(_config(dsn, limits, versions), revision))


def downgrade(dsn: str, revision: str, *, limits: Limits = DEFAULT_LIMITS, versions: Path | None = None) -> None:
    """Take the database back to `revision`; tables that later steps made are dropped with what they hold."""
    from alembic import command

    _with_locks(limits, lambda: command.downgrade(_config(dsn, limits, versions), revision))


def steps(versions: Path | None = None) -> list[Step]:
    """Every step that this release knows, the oldest first."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(_config("", DEFAULT_LIMITS, versions)).walk_revisions()
    return [_step(script) for script in reversed(list(found))]


def head_revision() -> str:
    """The newest revision that this release knows."""
    return max(path.name.split("_")[0] for path in (_HERE / "sql").iterdir() if path.name.endswith(".up.sql"))


def current_revision(dsn: str) -> str | None:
    """The revision of the database at `dsn`, or None when nothing has run there yet."""
    import psycopg

    with psycopg.connect(dsn, connect_timeout=15) as connection:
        row = connection.execute("SELECT to_regclass('public.maru_schema_revision')").fetchone()
        if row is None or row[0] is None:
            return None
        found = connection.execute("SELECT version_num FROM public.maru_schema_revision").fetchone()
        return None if found is None else str(found[0])


def _step(script: Script) -> Step:
    phase: Phase = getattr(script.module, "phase", "pre")
    if phase not in ("pre", "post"):
        raise ValueError(f"step {script.revision} says phase = {phase!r}: use 'pre' or 'post'")
    return Step(script.revision, phase, (script.doc or "").partition("\n")[0])


def _with_locks(limits: Limits, work: Callable[[], None]) -> None:
    """Try again what did not get its locks; the steps before it are done and stay so."""
    from psycopg.errors import LockNotAvailable
    from sqlalchemy.exc import DBAPIError

    for attempt in range(1, limits.tries + 1):
        try:
            work()
        except DBAPIError as wrapped:
            if not isinstance(wrapped.orig, LockNotAvailable) or attempt == limits.tries:
                raise
            time.sleep(limits.pause_s * attempt)
        else:
            return


def _config(dsn: str, limits: Limits, versions: Path | None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    if versions is not None:
        config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["dsn"] = dsn
    config.attributes["limits"] = limits
    return config
