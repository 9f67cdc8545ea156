"""Brings a database up to this release."""

from __future__ import annotations

from maru.errors import CannotStart


def migrate(dsn: str) -> bool:
    """Apply what is missing to the database at `dsn` (as its owner); whether anything was."""
    import psycopg
    from migrations import current_revision, head_revision

    try:
        current, head = current_revision(dsn), head_revision()
        if current == head:
            return False
        if current is not None and current > head:
            raise CannotStart(
                f"The database was brought to schema {current} by a newer Maru, and this one knows {head}: use the newer release, "
                "or set MARU_HOME to another folder."
            )
        _upgrade(dsn)
    except psycopg.errors.DiskFull:
        raise CannotStart("The disk is full: free some space and start again; nothing was lost.") from None
    except psycopg.OperationalError as problem:
        raise CannotStart(f"The database does not answer: {_first_line(problem)}") from None
    except psycopg.errors.InsufficientPrivilege as problem:
        raise CannotStart(
            f"The user of the database may not bring it up to this release ({_first_line(problem)}): "
            "set MARU_OWNER_DATABASE_URL to one who owns it and may create roles."
        ) from None
    except psycopg.ProgrammingError as problem:
        raise CannotStart(
            f"The address of the database is not understood ({_first_line(problem)}): write postgresql://USER@HOST/DATABASE."
        ) from None
    return True


def _upgrade(dsn: str) -> None:
    """Only now, because Alembic takes a second to import. Its engine wraps what Postgres says, which is unwrapped again."""
    from migrations import upgrade
    from sqlalchemy.exc import DBAPIError

    try:
        upgrade(dsn)
    except DBAPIError as wrapped:
        raise wrapped.orig or wrapped from wrapped


def _first_line(problem: Exception) -> str:
    return str(problem).strip().splitlines()[0]
