"""The SQL that writes jobs and tasks, as the person who may.

Locks are taken in one order by every command: the job's row, the space's queue, its tasks by id, the stream. The job's row is locked FOR NO KEY
UPDATE, because a report's delta only needs the job to exist and must not wait for a command that waits for the report's task.
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
    """The job's row, locked; None when this person may not write it."""
    row: Record | None = await connection.fetchrow("SELECT * FROM jobs WHERE id = $1 FOR NO KEY UPDATE", job_id)
    return row


async def visible(connection: Connection, job_id: UUID) -> bool:
    """Whether this person sees the job at all."""
    return bool(await connection.fetchval("SELECT true FROM jobs WHERE id = $1", job_id))


async def rename(connection: Connection, job_id: UUID, name: str) -> None:
    """Give it another name."""
    await connection.execute("UPDATE jobs SET name = $2 WHERE id = $1", job_id, name)


async def take_deltas(connection: Connection, job_id: UUID) -> Record:
    """Remove what waits to be folded into the locked job and say what it was: sums, the number of `reports` and the first of their `tasks`."""
    row: Record | None = await connection.fetchrow(
        """
        WITH gone AS (DELETE FROM job_deltas WHERE job_id = $1 RETURNING id, task_id, done, failed, cancelled, cost_micros, run_ms)
        SELECT coalesce(sum(done), 0)::int AS done, coalesce(sum(failed), 0)::int AS failed, coalesce(sum(cancelled), 0)::int AS cancelled,
          coalesce(sum(cost_micros), 0)::bigint AS cost_micros, coalesce(sum(run_ms), 0)::bigint AS run_ms, count(*)::int AS reports,
          coalesce((array_agg(task_id ORDER BY id))[:100], '{}') AS tasks FROM gone
        """,
        job_id,
    )
    assert row is not None, "an aggregate always has a row"
    return row


async def processing(connection: Connection, job_id: UUID) -> int:
    """How many of its tasks are at work now."""
    count: int = await connection.fetchval(
        "SELECT count(*)::int FROM tasks WHERE job_id = $1 AND status = 'processing'", job_id
    )
    return count


async def save(connection: Connection, job: JobState) -> None:
    """Write the state of the locked job; `submitted_at`, `started_at` and `finished_at` follow."""
    await connection.execute(
        """
        UPDATE jobs SET status = $2::text, stream_id = $3, total = $4::int, done = $5::int, failed = $6::int, cancelled = $7, cost_micros = $8,
          run_ms = $9, submitted_at = CASE WHEN $4::int > 0 THEN coalesce(submitted_at, now()) END,
          started_at = coalesce(started_at, CASE WHEN $2::text = 'running' OR $5::int + $6::int > 0 THEN now() END),
          finished_at = CASE WHEN $2::text IN ('done', 'failed', 'cancelled') THEN coalesce(finished_at, now()) END
        WHERE id = $1
        """,
        job.id,
        job.status,
        job.stream_id,
        job.total,
        job.done,
        job.failed,
        job.cancelled,
        job.cost_micros,
        job.run_ms,
    )


async def delete(connection: Connection, job_id: UUID) -> None:
    """Remove the locked job with its tasks and streams."""
    # Whoever reports holds a task and then needs the job to exist: once no task is left, nobody can.
    await connection.execute("SELECT id FROM tasks WHERE job_id = $1 ORDER BY id FOR UPDATE", job_id)
    await connection.execute("DELETE FROM tasks WHERE job_id = $1", job_id)
    await connection.execute("DELETE FROM streams WHERE subject_id = $1 AND kind = 'job'", job_id)
    await connection.execute("DELETE FROM jobs WHERE id = $1", job_id)


@dataclass(slots=True)
class JobState:
    """What commands change of a job whose row they have locked."""

    id: UUID
    space_id: UUID
    status: JobStatus
    stream_id: UUID | None
    total: int
    done: int
    failed: int
    cancelled: int
    cost_micros: int
    run_ms: int
