"""Folding what finished into its job: counts, state, the event for whoever follows, the end.

Reports only insert rows of `job_deltas`; whoever folds holds the job's row. It runs in the transaction of whoever calls, as a person of the job's
space or as the service at work in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.studio import JobStatus
from shared.outbox import emit_event
from shared.streams import store as streams
from shared.studio.states import FINISHED_JOB, folded, shown

if TYPE_CHECKING:
    from shared.db import Connection, Record
    from shared.streams.events import StreamStatus

_MOST_TASKS = 100

_TAKE = """
WITH job AS (
  SELECT id, space_id, runner, status, stream_id, total, done, failed, cancelled, cost_micros FROM jobs WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED
), taken AS (
  DELETE FROM job_deltas WHERE job_id IN (SELECT id FROM job) RETURNING task_id, gpu_name, done, failed, cancelled, cost_micros, run_ms
), times AS (
  SELECT gpu_name, sum(done) AS tasks, sum(run_ms) FILTER (WHERE done > 0) AS run_ms, sum(cost_micros) FILTER (WHERE done > 0) AS cost_micros
  FROM taken GROUP BY gpu_name HAVING sum(done) > 0
)
SELECT job.*, count(taken.task_id) AS deltas, coalesce(sum(taken.done), 0)::int AS new_done, coalesce(sum(taken.failed), 0)::int AS new_failed,
  coalesce(sum(taken.cancelled), 0)::int AS new_cancelled, coalesce(sum(taken.cost_micros), 0)::bigint AS new_cost,
  coalesce(sum(taken.run_ms), 0)::bigint AS new_run_ms,
  coalesce(array_agg(DISTINCT taken.task_id) FILTER (WHERE taken.task_id IS NOT NULL), '{}') AS changed,
  (SELECT count(*)::int FROM tasks WHERE job_id = $1 AND status = 'processing') AS processing,
  (SELECT jsonb_agg(jsonb_build_array(coalesce(gpu_name, ''), tasks, run_ms, cost_micros) ORDER BY gpu_name) FROM times) AS times
FROM job LEFT JOIN taken ON true
GROUP BY job.id, job.space_id, job.runner, job.status, job.stream_id, job.total, job.done, job.failed, job.cancelled, job.cost_micros
"""
_SAVE = """
UPDATE jobs SET status = $2, done = done + $3, failed = failed + $4, cancelled = cancelled + $5, cost_micros = cost_micros + $6, run_ms = run_ms + $7,
  started_at = CASE WHEN $8 THEN coalesce(started_at, now()) ELSE started_at END,
  finished_at = CASE WHEN $9 THEN coalesce(finished_at, now()) END
WHERE id = $1
"""
_CHANGED = """
SELECT id, seq, status, attempt, progress, worker_name, error FROM (
  (SELECT * FROM tasks WHERE id = ANY ($2::uuid[]) ORDER BY seq LIMIT $3)
  UNION (SELECT * FROM tasks WHERE job_id = $1 AND status = 'processing' ORDER BY seq LIMIT $3)) t ORDER BY seq LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class FoldOutcome:
    """What a fold did. After the commit wake followers of `stream_id`; `finished` says that it was this fold that ended the job."""

    job_id: UUID
    space_id: UUID
    status: JobStatus
    stream_id: UUID | None
    finished: bool


async def fold(connection: Connection, job_id: UUID) -> FoldOutcome | None:
    """Add what has finished since the last fold to the job and tell its followers.

    None when there is no such job in sight or somebody else holds it, who then sees what we saw or is followed by a fold of their own. Called again
    at once it adds nothing and says only how the running tasks get on.
    """
    job = await connection.fetchrow(_TAKE, job_id)
    if job is None:
        return None
    counts = _counts(job)
    before: JobStatus = job["status"]
    after = folded(before, total=job["total"], **counts, processing=job["processing"])
    over = after in FINISHED_JOB
    await _save(connection, job, after)
    for gpu_name, tasks, run_ms, cost_micros in job["times"] or ():
        await connection.execute(
            "SELECT count_runner_time($1, $2, $3, $4, $5)", job["runner"], gpu_name, tasks, run_ms, cost_micros
        )
    ended = await _tell(connection, job, after, counts)
    finished = over and (ended or before not in FINISHED_JOB)
    if finished:
        body = {"job_id": str(job_id), "space_id": str(job["space_id"]), "status": after, "counts": _shown(job, counts)}
        await emit_event(connection, "job.finished", job_id, body)
    return FoldOutcome(job_id, job["space_id"], after, job["stream_id"], finished)


async def _save(connection: Connection, job: Record, status: JobStatus) -> None:
    begun = job["processing"] > 0 or job["deltas"] > 0
    if job["deltas"] or status != job["status"]:
        await connection.execute(
            _SAVE,
            job["id"],
            status,
            job["new_done"],
            job["new_failed"],
            job["new_cancelled"],
            job["new_cost"],
            job["new_run_ms"],
            begun,
            status in FINISHED_JOB,
        )


async def _tell(connection: Connection, job: Record, status: JobStatus, counts: dict[str, int]) -> bool:
    """One event for whoever follows, and the last one when it is over; True when that ended the stream."""
    if job["stream_id"] is None:
        return False
    data: dict[str, Any] = {
        "counts": _shown(job, counts),
        "total": job["total"],
        "cost_micros": job["cost_micros"] + job["new_cost"],
        "status": status,
    }
    tasks = await connection.fetch(_CHANGED, job["id"], job["changed"], _MOST_TASKS)
    event = await streams.append(connection, job["stream_id"], "progress", {**data, "tasks": [_task(t) for t in tasks]})
    if event is None or status not in FINISHED_JOB:
        return False
    end: StreamStatus = "done" if status == "done" else "failed" if status == "failed" else "cancelled"
    return await streams.finish_next(connection, job["stream_id"], end, end, data)


def _counts(job: Record) -> dict[str, int]:
    return {name: job[name] + job[f"new_{name}"] for name in ("done", "failed", "cancelled")}


def _shown(job: Record, counts: dict[str, int]) -> dict[str, int]:
    queued = max(0, job["total"] - job["processing"] - sum(counts.values()))
    return {"queued": queued, "processing": job["processing"], **counts}


def _task(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "seq": row["seq"],
        "status": shown(row["status"]),
        "attempt": row["attempt"],
        "progress": row["progress"],
        "worker": row["worker_name"],
        "error": row["error"],
    }
