"""The SQL of filing results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


@dataclass(frozen=True, slots=True)
class Result:
    """A finished task's file, and whose it is."""

    task_id: UUID
    space_id: UUID
    owner_id: UUID
    entry_id: UUID | None
    output_key: str | None
    output_name: str | None
    output_type: str | None
    output_size: int | None


async def job(connection: Connection, job_id: UUID) -> Record | None:
    """A job of the caller's spaces as `id, space_id, file_results, role`."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT j.id, j.space_id, j.file_results, m.role FROM jobs j
        JOIN space_members m ON m.space_id = j.space_id AND m.user_id = (SELECT auth.uid()) WHERE j.id = $1
        """,
        job_id,
    )
    return row


async def file_from_now_on(connection: Connection, job_id: UUID) -> None:
    """Let what finishes later be filed as well."""
    await connection.execute("UPDATE jobs SET file_results = true WHERE id = $1 AND NOT file_results", job_id)


async def counts(connection: Connection, job_id: UUID) -> Record:
    """How many tasks are `done`, `filed` and `skipped`."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT count(*) AS done, count(entry_id) AS filed, count(*) FILTER (WHERE entry_id IS NULL AND filing_error IS NOT NULL) AS skipped
        FROM tasks WHERE job_id = $1 AND status = 'done'
        """,
        job_id,
    )
    assert row is not None, "an aggregate always has a row"
    return row


async def skipped(connection: Connection, job_id: UUID, limit: int) -> list[Record]:
    """The first results that did not become entries, as `task_id, seq, code, detail`."""
    rows: list[Record] = await connection.fetch(
        """
        SELECT id AS task_id, seq, filing_error ->> 'code' AS code, filing_error ->> 'detail' AS detail FROM tasks
        WHERE job_id = $1 AND status = 'done' AND entry_id IS NULL AND filing_error IS NOT NULL ORDER BY seq LIMIT $2
        """,
        job_id,
        limit,
    )
    return rows


async def unfiled(connection: Connection, job_id: UUID, after: int, limit: int) -> list[Record]:
    """Done tasks without an entry as `id, seq`, in their order."""
    rows: list[Record] = await connection.fetch(
        "SELECT id, seq FROM tasks WHERE job_id = $1 AND seq > $2 AND status = 'done' AND entry_id IS NULL ORDER BY seq LIMIT $3",
        job_id,
        after,
        limit,
    )
    return rows


async def result(connection: Connection, task_id: UUID) -> Result | None:
    """The result of a task that is done."""
    row = await connection.fetchrow(
        """
        SELECT t.id AS task_id, t.space_id, j.owner_id, t.entry_id, t.output_key, t.output_name, t.output_type, t.output_size
        FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.id = $1 AND t.status = 'done'
        """,
        task_id,
    )
    return Result(**row) if row is not None else None


async def entry_of(connection: Connection, upload_id: UUID) -> UUID | None:
    """The entry that a file belongs to."""
    entry_id: UUID | None = await connection.fetchval(
        "SELECT entry_id FROM entry_files WHERE upload_id = $1", upload_id
    )
    return entry_id


async def filed(connection: Connection, task_id: UUID, entry_id: UUID) -> None:
    """Write down which entry a result became."""
    await connection.execute(
        "UPDATE tasks SET entry_id = $2, filing_error = NULL WHERE id = $1 AND entry_id IS NULL", task_id, entry_id
    )


async def not_filed(connection: Connection, task_id: UUID, code: str, detail: str) -> None:
    """Write down why a result did not become an entry."""
    await connection.execute(
        "UPDATE tasks SET filing_error = $2 WHERE id = $1 AND entry_id IS NULL",
        task_id,
        {"code": code, "detail": detail},
    )
