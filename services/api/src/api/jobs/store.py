"""The SQL that writes jobs and tasks, as the person who may.

Locks are taken in one order by every command: the job's row, the space's queue, its tasks by id, the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.contracts.studio import JobStatus
    from shared.db import Connection, Record


@dataclass(frozen=True, slots=True)
class JobRow:
    """A new draft."""

    id: UUID
    space_id: UUID
    owner_id: UUID
    name: str
    kind: str
    runner: str
    params: dict[str, Any]
    requires: dict[str, Any]
    priority: int
    max_attempts: int
    file_results: bool


async def place(connection: Connection, space_id: UUID | None) -> Record | None:
    """The space to write to (the personal one when None) as `id, role`; None when this person does not belong to it."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT s.id, m.role FROM spaces s JOIN space_members m ON m.space_id = s.id AND m.user_id = (SELECT auth.uid())
        WHERE CASE WHEN $1::uuid IS NULL THEN s.kind = 'personal' AND s.owner_id = (SELECT auth.uid()) ELSE s.id = $1 END
        """,
        space_id,
    )
    return row


async def insert(connection: Connection, new: JobRow) -> None:
    """Write a draft."""
    await connection.execute(
        """
        INSERT INTO jobs (id, space_id, owner_id, name, kind, runner, params, requires, priority, max_attempts, file_results)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        new.id,
        new.space_id,
        new.owner_id,
        new.name,
        new.kind,
        new.runner,
        new.params,
        new.requires,
        new.priority,
        new.max_attempts,
        new.file_results,
    )


async def lock(connection: Connection, job_id: UUID) -> Record | None:
    """The job's row, locked, and whether something is `reported` that it does not hold yet; None when this person may not write it."""
    row: Record | None = await connection.fetchrow(
        "SELECT j.*, EXISTS (SELECT FROM job_deltas d WHERE d.job_id = j.id) AS reported FROM jobs j WHERE j.id = $1 FOR NO KEY UPDATE OF j",
        job_id,
    )
    return row


async def visible(connection: Connection, job_id: UUID) -> bool:
    """Whether this person sees the job at all."""
    return bool(await connection.fetchval("SELECT true FROM jobs WHERE id = $1", job_id))


async def rename(connection: Connection, job_id: UUID, name: str) -> None:
    """Give it another name."""
    await connection.execute("UPDATE jobs SET name = $2 WHERE id = $1", job_id, name)


async def save(
    connection: Connection, job_id: UUID, status: JobStatus, stream_id: UUID | None, *, added: int, cancelled: int
) -> None:
    """Write the state of the locked job; so many tasks were added to it, and so many of them cancelled."""
    await connection.execute(
        """
        UPDATE jobs SET status = $2::text, stream_id = $3, total = total + $4::int, cancelled = cancelled + $5,
          submitted_at = CASE WHEN $4::int > 0 THEN coalesce(submitted_at, now()) ELSE submitted_at END,
          finished_at = CASE WHEN $2::text IN ('done', 'failed', 'cancelled') THEN coalesce(finished_at, now()) END
        WHERE id = $1
        """,
        job_id,
        status,
        stream_id,
        added,
        cancelled,
    )


async def delete(connection: Connection, job_id: UUID) -> None:
    """Remove the locked job with its tasks and streams."""
    await connection.execute("SELECT id FROM tasks WHERE job_id = $1 ORDER BY id FOR UPDATE", job_id)
    await connection.execute("DELETE FROM tasks WHERE job_id = $1", job_id)
    await connection.execute("DELETE FROM job_deltas WHERE job_id = $1", job_id)
    await connection.execute("DELETE FROM streams WHERE subject_id = $1 AND kind = 'job'", job_id)
    await connection.execute("DELETE FROM jobs WHERE id = $1", job_id)
