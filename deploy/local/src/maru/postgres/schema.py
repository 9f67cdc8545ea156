"""Brings a database up to this release, and says in a sentence why it cannot."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from maru.errors import CannotStart


def migrate(dsn: str) -> bool:
    """Apply what is missing to the database at `dsn` (as its owner), of both phases, for nothing else serves it; whether anything was."""
    from migrations import current_revision, head_revision

    with explaining():
        current, head = current_revision(dsn), head_revision()
        if current == head:
            return False
        refuse_newer(current, head)
        _upgrade(dsn)
    return True


def refuse_newer(current: str | None, head: str) -> None:
    """A schema that a newer release has made is not for this one to change."""
    if current is not None and current > head:
        raise CannotStart(
            f"The database was brought to schema {current} by a newer Maru, and this one knows {head}: use the newer release, "
            "or set MARU_HOME to another folder."
        )


@contextmanager
def explaining() -> Generator[None]:
    """Turn what Postgres says of a migration into a sentence for whoever started it."""
    import psycopg

    try:
        yield
    except psycopg.errors.DiskFull:
        raise CannotStart("The disk is full: free some space and start again; nothing was lost.") from None
    except psycopg.errors.LockNotAvailable:
        raise CannotStart(
            "A step did not get its locks, because something holds a table or another migration runs: `maru doctor` shows long transactions. "
            "Nothing of that step was changed; run it again."
        ) from None
    except psycopg.errors.QueryCanceled:
        raise CannotStart(
            "A step took longer than its limit and was undone: run it again at a quiet hour, or with a larger --statement-timeout."
        ) from None
    except psycopg.OperationalError as problem:
        raise CannotStart(f"The database does not answer: {_first_line(problem)}") from None
    except psycopg.errors.InsufficientPrivilege as problem:
        raise CannotStart(
            f"The user of the database may not bring it up to this release ({_first_line(problem)}): "
            "set MARU_OWNER_DATABASE_URL to one who owns it and may create roles."
        ) from None
    except psycopg.ProgrammingError as problem:
        # Without a code nothing reached a server: the address itself is at fault.
        if problem.sqlstate is not None:
            raise CannotStart(f"A step failed and was undone: {_first_line(problem)}") from None
        raise CannotStart(
            f"The address of the database is not understood ({_first_line(problem)}): write postgresql://USER@HOST/DATABASE."
        ) from None
    except psycopg.Error as problem:
        raise CannotStart(f"A step failed and was undone: {_first_line(problem)}") from None


@contextmanager
def unwrapped() -> Generator[None]:
    """What Postgres said, instead of how Alembic's engine wraps it."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as wrapped:
        raise wrapped.orig or wrapped from wrapped


def _upgrade(dsn: str) -> None:
    """Only now, because Alembic takes a second to import."""
    from migrations import upgrade

    with unwrapped():
        upgrade(dsn)


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or ["nothing was said"])[0]
