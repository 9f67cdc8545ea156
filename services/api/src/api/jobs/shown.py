"""Rows as the contract shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared.contracts.studio import Job, JobCounts, JobStatus, Requirements, Task, TaskFailure, TaskStatus
from shared.studio.states import FINISHED_JOB, StoredTaskStatus, folded, shown

if TYPE_CHECKING:
    from shared.db import Record

_AS_STORED = (
    "id",
    "space_id",
    "owner_id",
    "name",
    "kind",
    "runner",
    "params",
    "priority",
    "max_attempts",
    "file_results",
    "stream_id",
)
_TIMES = ("created_at", "submitted_at", "started_at")

# What a job that is stored as one of these may be shown as: its row is behind its tasks for a moment.
STORED_JOB: Mapping[JobStatus, tuple[JobStatus, ...]] = {
    "draft": ("draft",),
    "queued": ("queued",),
    "running": ("running", "queued"),
    "paused": ("paused",),
    "done": ("done", "running", "queued", "paused"),
    "failed": ("failed", "running", "queued", "paused"),
    "cancelled": ("cancelled",),
}
STORED_TASK: Mapping[TaskStatus, tuple[StoredTaskStatus, ...]] = {
    "queued": ("queued", "delayed", "held"),
    "processing": ("processing",),
    "done": ("done",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
}


def job_status(row: Record) -> JobStatus:
    """The state that the exact counts imply."""
    counts = {name: row[name] for name in ("total", "done", "failed", "cancelled", "processing")}
    return folded(row["status"], **counts)


def counts(*, total: int, done: int, failed: int, cancelled: int, processing: int) -> JobCounts:
    """All five; what is none of the others is queued."""
    queued = total - done - failed - cancelled - processing
    return JobCounts(queued=queued, processing=processing, done=done, failed=failed, cancelled=cancelled)


def job(row: Record) -> Job:
    """A job."""
    status = job_status(row)
    finished_at = row["finished_at"] or (row["ended_at"] if status in FINISHED_JOB else None)
    numbers = {name: row[name] for name in ("total", "done", "failed", "cancelled", "processing")}
    fields: dict[str, Any] = {name: row[name] for name in (*_AS_STORED, *_TIMES)}
    return Job(
        **fields,
        requires=Requirements.model_validate(row["requires"]),
        status=status,
        counts=counts(**numbers),
        total=row["total"],
        cost_micros=row["cost_micros"],
        cost=row["cost_micros"] / 1_000_000,
        run_s=row["run_ms"] / 1000,
        finished_at=finished_at,
    )


def task(row: Record) -> Task:
    """A task; its state is that of people, and its addresses are the api's own."""
    status = shown(row["status"])
    address = f"/api/v1/tasks/{row['id']}"
    has_output = status == "done" and row["output_key"] is not None
    names = (
        "id",
        "job_id",
        "seq",
        "attempt",
        "failures",
        "lease_losses",
        "progress",
        "input_path",
        "input_name",
        "metrics",
        "cost_micros",
    )
    fields: dict[str, Any] = {
        name: row[name] for name in (*names, "entry_id", "created_at", "claimed_at", "finished_at")
    }
    return Task(
        **fields,
        status=status,
        retry_at=row["run_at"] if row["status"] == "delayed" else None,
        input_url=f"{address}/input" if row["input_key"] else None,
        output_path=row["output_key"] if has_output else None,
        output_name=row["output_name"] if has_output else None,
        output_type=row["output_type"] if has_output else None,
        output_size=row["output_size"] if has_output else None,
        output_url=f"{address}/output" if has_output else None,
        error=TaskFailure.model_validate(row["error"]) if row["error"] else None,
        worker=row["worker_name"],
        run_s=row["run_ms"] / 1000,
    )
