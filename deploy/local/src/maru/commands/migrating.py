"""What `maru migrate` does, on the database of an owner."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal
from urllib.parse import parse_qs, urlsplit

from maru.errors import CannotStart
from maru.postgres.schema import explaining, refuse_newer, unwrapped

if TYPE_CHECKING:
    from migrations import Limits, Phase, Step

_TRANSACTION_POOLER_PORT = 6543


@dataclass(frozen=True, slots=True)
class Line:
    """One step as `status` shows it."""

    step: Step
    state: Literal["done", "waits"]
    why: str = ""


class Migrator:
    """The schema of one database."""

    def __init__(self, dsn: str, limits: Limits, versions: Path | None = None) -> None:
        """`versions` holds the steps; this release's own unless given."""
        self._dsn = dsn
        self._limits = limits
        self._versions = versions

    @classmethod
    def from_env(cls, env: Mapping[str, str], lock_s: float = 5, statement_s: float = 900) -> Migrator:
        """The owner's database of the environment."""
        from migrations import Limits

        return cls(owner_dsn(env), Limits(lock_s=lock_s, statement_s=statement_s))

    def current(self) -> str | None:
        """The last step that has run."""
        from migrations import current_revision

        with explaining():
            return current_revision(self._dsn)

    def up(self, phase: Phase | None = None, to: str | None = None) -> list[Step]:
        """Run what is missing and may run in `phase`; what was run."""
        from migrations import OutOfOrder, allowed, pending, upgrade

        known, current = self._known()
        try:
            running = allowed(pending(known, current, to), phase, fresh=current is None)
        except OutOfOrder as refused:
            raise CannotStart(str(refused)) from None
        with self._telling():
            for step in running:
                upgrade(self._dsn, step.revision, limits=self._limits, versions=self._versions)
        return running

    def down(self, to: str) -> list[Step]:
        """Undo every step after `to` (`base`: all of them), the newest first; what was undone."""
        from migrations import downgrade

        known, current = self._known()
        if to != "base" and to not in [step.revision for step in known]:
            raise CannotStart(
                f"This release does not know the step {to}: it knows {known[0].revision} to {known[-1].revision}."
            )
        undone = [
            step
            for step in reversed(known)
            if current is not None and step.revision <= current and (to == "base" or step.revision > to)
        ]
        if undone:
            with self._telling():
                downgrade(self._dsn, to, limits=self._limits, versions=self._versions)
        return undone

    def status(self) -> list[Line]:
        """Every step this release knows, and why those that have not run wait."""
        from migrations import OutOfOrder, allowed, pending

        known, current = self._known()
        waiting = pending(known, current)
        try:
            next_pre = allowed(waiting, "pre", fresh=current is None)
            refusal = ""
        except OutOfOrder as refused:
            next_pre, refusal = [], f": {refused}"
        done = [Line(step, "done") for step in known if step not in waiting]
        return done + [Line(step, "waits", _why(step, next_pre, refusal)) for step in waiting]

    def give_passwords(self, passwords: Mapping[str, str]) -> list[str]:
        """Set the passwords of login roles; which got one."""
        from migrations import UnfitPassword, set_passwords

        if not passwords:
            return []
        try:
            with explaining():
                return set_passwords(self._dsn, passwords)
        except UnfitPassword as unfit:
            raise CannotStart(str(unfit)) from None

    def _known(self) -> tuple[list[Step], str | None]:
        from migrations import steps

        known, current = steps(self._versions), self.current()
        refuse_newer(current, known[-1].revision)
        return known, current

    def _telling(self) -> ExitStack:
        stack = ExitStack()
        stack.enter_context(explaining())
        stack.enter_context(unwrapped())
        return stack


def owner_dsn(env: Mapping[str, str]) -> str:
    """`MARU_OWNER_DATABASE_URL`, else `DATABASE_URL`; a transaction pooler is refused."""
    own, shared = env.get("MARU_OWNER_DATABASE_URL", "").strip(), env.get("DATABASE_URL", "").strip()
    dsn = own or shared
    if not dsn:
        raise CannotStart(
            "No database is named: set MARU_OWNER_DATABASE_URL to postgresql://OWNER@HOST/DATABASE. "
            "`maru up` brings its embedded database up by itself."
        )
    if _is_transaction_pooler(dsn) or (not own and env.get("DATABASE_POOLED", "").lower() in {"1", "true"}):
        raise CannotStart(
            "The database is reached through a transaction pooler, which shares one session among many, and migrations hold a lock that belongs "
            "to a session: set MARU_OWNER_DATABASE_URL to the direct connection, or to the session pooler (port 5432)."
        )
    return dsn


def passwords_of(env: Mapping[str, str], document: IO[str] | None, *, from_variables: bool) -> dict[str, str]:
    """The passwords of login roles, from `MARU_API_PASSWORD` and its like, and from a JSON object, which wins."""
    from migrations import LOGIN_ROLES

    found: dict[str, str] = {}
    if from_variables:
        named = {role: f"{role.upper()}_PASSWORD" for role in LOGIN_ROLES}
        found = {role: _plain(env[name]) for role, name in named.items() if env.get(name)}
        if not found and document is None:
            raise CannotStart(f"No password is given: set {', '.join(named.values())}, or use --passwords-stdin.")
    if document is not None:
        try:
            given = json.load(document)
        except ValueError:
            given = None
        if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
            raise CannotStart('Standard input is no object of passwords: write {"maru_api": "…", "maru_ingest": "…"}.')
        found |= given
    return found


def _plain(value: str) -> str:
    """A variable's value, or what the file holds that it names."""
    if not value.startswith("file://"):
        return value
    path = Path(urlsplit(value).path)
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise CannotStart(f"The password file {path} cannot be read: mount it, or name another.") from None


def _why(step: Step, next_pre: list[Step], refusal: str) -> str:
    if step in next_pre:
        return "  (next: `maru migrate up --phase pre`, before the new code)"
    if step.phase == "pre":
        return f"  (blocked{refusal})"
    return "  (`maru migrate up --phase post`, when no older code serves)"


def _is_transaction_pooler(dsn: str) -> bool:
    try:
        parts = urlsplit(dsn)
        return parts.port == _TRANSACTION_POOLER_PORT or parse_qs(parts.query).get("pgbouncer") == ["true"]
    except ValueError:
        return False
