"""The life of a job and of a task, pure.

A task, as it is stored:

    queued ──claim──► processing ──done──► done
      ▲                 │  │  └───cancel─► cancelled (the worker hears it at its next heartbeat)
      │◄──release───────┘  ├──failure, lease lost──► delayed ──due──► queued
      │◄──due── delayed ◄──┘                └─ at its limit ──► failed ──retry──► queued
    queued, delayed ──pause──► held ──resume──► queued
"""

from __future__ import annotations

from typing import Literal, assert_never

from shared.contracts.studio import JobStatus, TaskStatus

StoredTaskStatus = Literal["queued", "delayed", "held", "processing", "done", "failed", "cancelled"]
JobCommand = Literal["enqueue", "pause", "resume", "cancel", "retry"]

FINISHED_JOB: frozenset[JobStatus] = frozenset({"done", "failed", "cancelled"})

_ENQUEUED: dict[JobStatus, JobStatus] = {
    "draft": "queued",
    "queued": "queued",
    "running": "running",
    "paused": "paused",
}
_PAUSED: dict[JobStatus, JobStatus] = {"queued": "paused", "running": "paused", "paused": "paused"}
_RESUMED: dict[JobStatus, JobStatus] = {"paused": "queued", "queued": "queued", "running": "running"}
_CANCELLED: dict[JobStatus, JobStatus] = {
    "draft": "cancelled",
    "queued": "cancelled",
    "running": "cancelled",
    "paused": "cancelled",
    "cancelled": "cancelled",
}
_RETRIED: dict[JobStatus, JobStatus] = {
    "queued": "queued",
    "running": "running",
    "paused": "paused",
    "failed": "queued",
}


def shown(status: StoredTaskStatus) -> TaskStatus:
    """A task's state as people see it."""
    match status:
        case "queued" | "delayed" | "held":
            return "queued"
        case "processing" | "done" | "failed" | "cancelled":
            return status
        case _:
            assert_never(status)


def commanded(status: JobStatus, command: JobCommand) -> JobStatus | None:
    """The state after a person's command; None when it makes no sense now. A command that is already obeyed changes nothing."""
    match command:
        case "enqueue":
            return _ENQUEUED.get(status)
        case "pause":
            return _PAUSED.get(status)
        case "resume":
            return _RESUMED.get(status)
        case "cancel":
            return _CANCELLED.get(status)
        case "retry":
            return _RETRIED.get(status)
        case _:
            assert_never(command)


def folded(status: JobStatus, *, total: int, done: int, failed: int, cancelled: int, processing: int) -> JobStatus:
    """The state that the counts imply. A paused job stays paused until it is resumed or everything has finished; a cancelled one stays so."""
    match status:
        case "draft" | "cancelled" | "done" | "failed":
            return status
        case "queued" | "running" | "paused":
            if total > 0 and done + failed + cancelled >= total:
                return "failed" if failed else "done"
            if status == "paused":
                return "paused"
            return "running" if status == "running" or processing or done or failed else "queued"
        case _:
            assert_never(status)
