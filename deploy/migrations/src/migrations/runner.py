"""Runs migrations on a database, as its owner (never as a service's login role)."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = files("migrations")


def upgrade(dsn: str, revision: str = "head") -> None:
    """Bring the database at `dsn` (a `postgresql://` URL of its owner) up to `revision`; running it again changes nothing."""
    from alembic import command

    command.upgrade(_config(dsn), revision)


def downgrade(dsn: str, revision: str) -> None:
    """Take the database back to `revision`; tables that later steps made are dropped with what they hold."""
    from alembic import command

    command.downgrade(_config(dsn), revision)


def head_revision() -> str:
    """The newest revision that this release knows."""
    return max(path.name.split("_")[0] for path in (_HERE / "sql").iterdir() if path.name.endswith(".up.sql"))


def current_revision(dsn: str) -> str | None:
    """The revision of the database at `dsn`, or None when nothing has run there yet."""
    import psycopg

    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT to_regclass('public.maru_schema_revision')").fetchone()
        if row is None or row[0] is None:
            return None
        found = connection.execute("SELECT version_num FROM public.maru_schema_revision").fetchone()
        return None if found is None else str(found[0])


def _config(dsn: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["dsn"] = dsn
    return config
