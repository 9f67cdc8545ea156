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
        # Only now: Alembic takes a second to import.
        from migrations import upgrade

        upgrade(dsn)
    except psycopg.errors.DiskFull:
        raise CannotStart("The disk is full: free some space and start again; nothing was lost.") from None
    except psycopg.OperationalError as problem:
        raise CannotStart(f"The database does not answer: {str(problem).strip().splitlines()[0]}") from None
    return True
