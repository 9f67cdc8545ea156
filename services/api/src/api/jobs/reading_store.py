"""The SQL that reads jobs and tasks. Counts are the job's row, what waits to be folded into it and what is at work now: exact in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

_JOB = """
SELECT j.id, j.space_id, j.owner_id, j.name, j.kind, j.runner, j.params, j.requires, j.priority, j.max_attempts, j.file_results, j.status,
  j.stream_id, j.total, j.done + coalesce(d.done, 0) AS done, j.failed + coalesce(d.failed, 0) AS failed,
  j.cancelled + coalesce(d.cancelled, 0) AS cancelled, j.cost_micros + coalesce(d.cost_micros, 0) AS cost_micros,
  j.run_ms + coalesce(d.run_ms, 0) AS run_ms, p.processing, j.created_at, j.submitted_at, coalesce(j.started_at, p.since, d.ended_at) AS started_at,
  j.finished_at, d.ended_at
FROM jobs j
  LEFT JOIN LATERAL (SELECT sum(x.done)::int AS done, sum(x.failed)::int AS failed, sum(x.cancelled)::int AS cancelled,
      sum(x.cost_micros)::bigint AS cost_micros, sum(x.run_ms)::bigint AS run_ms, max(t.finished_at) AS ended_at
    FROM job_deltas x LEFT JOIN tasks t ON t.id = x.task_id WHERE x.job_id = j.id) d ON true
  CROSS JOIN LATERAL (SELECT count(*)::int AS processing, min(t.claimed_at) AS since
    FROM tasks t WHERE t.job_id = j.id AND t.status = 'processing') p
"""
_TASK = """
SELECT t.id, t.job_id, t.space_id, t.seq, t.status, t.run_at, t.attempt, t.failures, t.lease_losses, t.worker_name, t.claimed_at, t.progress,
  t.input_path, t.input_key, t.input_name, t.input_type, t.upload_id, t.output_key, t.output_type, t.output_name, t.output_size, t.metrics,
  t.error, t.cost_micros, t.run_ms, t.entry_id, t.created_at, t.finished_at FROM tasks t
"""


async def job(connection: Connection, job_id: UUID) -> Record | None:
    """A job with its counts, if this person sees it."""
    row: Record | None = await connection.fetchrow(f"{_JOB} WHERE j.id = $1", job_id)
    return row


async def jobs(
    connection: Connection, stored: Sequence[str] | None, space_id: UUID | None, before: UUID | None, limit: int
) -> list[Record]:
    """Jobs in one of the `stored` states, the newest first."""
    rows: list[Record] = await connection.fetch(
        f"""{_JOB} WHERE ($1::text[] IS NULL OR j.status = ANY($1)) AND ($2::uuid IS NULL OR j.space_id = $2)
        AND ($3::uuid IS NULL OR j.id < $3) ORDER BY j.id DESC LIMIT $4""",
        stored,
        space_id,
        before,
        limit,
    )
    return rows


async def stream_of(connection: Connection, job_id: UUID) -> Record | None:
    """The job's newest stream as `stream_id`, None in a draft; no record where this person sees no job."""
    row: Record | None = await connection.fetchrow("SELECT stream_id FROM jobs WHERE id = $1", job_id)
    return row


async def task(connection: Connection, task_id: UUID) -> Record | None:
    """A task, if this person sees it."""
    row: Record | None = await connection.fetchrow(f"{_TASK} WHERE t.id = $1", task_id)
    return row


async def tasks(
    connection: Connection, job_id: UUID, stored: Sequence[str] | None, after: int, limit: int
) -> list[Record]:
    """Tasks of a job in one of the `stored` states after the one with the number `after`, in order."""
    rows: list[Record] = await connection.fetch(
        f"{_TASK} WHERE t.job_id = $1 AND ($2::text[] IS NULL OR t.status = ANY($2)) AND t.seq > $3 ORDER BY t.seq LIMIT $4",
        job_id,
        stored,
        after,
        limit,
    )
    return rows


async def thumbnail_key(connection: Connection, upload_id: UUID) -> str | None:
    """Where the small picture of an upload lies, if there is one."""
    key: str | None = await connection.fetchval("SELECT thumbnail_key FROM uploads WHERE id = $1", upload_id)
    return key


async def results(connection: Connection, job_id: UUID, after: int, limit: int) -> list[Record]:
    """What done tasks have made: `seq, input_name, output_key, output_name, output_type, output_size, finished_at`, in the job's order."""
    rows: list[Record] = await connection.fetch(
        """
        SELECT seq, input_name, output_key, output_name, output_type, output_size, finished_at FROM tasks
        WHERE job_id = $1 AND status = 'done' AND output_key IS NOT NULL AND seq > $2 ORDER BY seq LIMIT $3
        """,
        job_id,
        after,
        limit,
    )
    return rows
