"""A job under command: its row is locked, what was reported is taken in, and it is written once, with what whoever follows it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.studio import JobCounts, JobStatus
from shared.ids import new_id
from shared.outbox import emit_event
from shared.streams import StreamStatus
from shared.streams import store as stream_store
from shared.studio.states import FINISHED_JOB, commanded, folded
from shared.studio.states import shown as shown_task

from api.jobs import access, shown, store, tasks_store
from api.jobs.errors import JobStateForbids

if TYPE_CHECKING:
    from shared.db import Connection, Record
    from shared.studio.states import JobCommand

_MOST_TASKS_TOLD = 100
_STREAM_KIND = "job"
_ENDS: Mapping[JobStatus, StreamStatus] = {"done": "done", "failed": "failed", "cancelled": "cancelled"}


@dataclass(slots=True)
class CommandedJob:
    """A locked job: `state` is what will be written, `row` what was there."""

    row: Record
    state: store.JobState
    changed: list[UUID] = field(default_factory=list)

    @property
    def id(self) -> UUID:
        """The job's id."""
        return self.state.id

    def obey(self, command: JobCommand) -> None:
        """Take on the state that the command leads to. Raises `JobStateForbids`."""
        status = commanded(self.state.status, command)
        if status is None:
            raise JobStateForbids(_REFUSALS[command].format(status=self.state.status))
        self.state.status = status


_REFUSALS: dict[JobCommand, str] = {
    "enqueue": "The job is {status}, so it takes no more inputs. Make a new job.",
    "pause": "The job is {status}. Only one that waits or runs can be paused.",
    "resume": "The job is {status}. Only one that is paused can be resumed.",
    "cancel": "The job is {status}; there is nothing left to cancel.",
    "retry": "The job is {status}, so its failed tasks stay as they are. Make a new job.",
}


async def begin(connection: Connection, job_id: UUID) -> CommandedJob:
    """Lock the job and take in what was reported so far."""
    row = await access.locked_job(connection, job_id)
    fields = {name: row[name] for name in store.JobState.__slots__}
    job = CommandedJob(row, store.JobState(**fields))
    await take_reports(connection, job)
    return job


async def take_reports(connection: Connection, job: CommandedJob) -> None:
    """Take in what has been reported since. After tasks were changed the counts are whole: a report came before, or finds its task changed."""
    deltas = await store.take_deltas(connection, job.id)
    for name in ("done", "failed", "cancelled", "cost_micros", "run_ms"):
        setattr(job.state, name, getattr(job.state, name) + deltas[name])
    job.changed += deltas["tasks"]


def all_finished(job: CommandedJob) -> bool:
    """Whether every task has finished, also when the job's row does not say so yet."""
    return _implied(job.state, 0) in FINISHED_JOB


async def write(connection: Connection, job: CommandedJob) -> None:
    """Write the job and tell its stream; one that has ended gives way to a new one when the job goes on."""
    state = job.state
    processing = await store.processing(connection, job.id)
    state.status = _implied(state, processing)
    if (
        state.total
        and (state.stream_id is None or job.row["status"] in FINISHED_JOB)
        and state.status not in FINISHED_JOB
    ):
        state.stream_id = new_id()
        await stream_store.create(
            connection, state.stream_id, space_id=state.space_id, kind=_STREAM_KIND, subject_id=state.id
        )
    await store.save(connection, state)
    counts = _counts(state, processing)
    if state.status in FINISHED_JOB:
        await _end(connection, job, counts)
    elif state.stream_id is not None:
        tasks = [_told(row) for row in await tasks_store.changes(connection, job.changed[:_MOST_TASKS_TOLD])]
        await stream_store.append(connection, state.stream_id, "progress", _facts(state, counts) | {"tasks": tasks})


async def _end(connection: Connection, job: CommandedJob, counts: JobCounts) -> None:
    state = job.state
    if job.row["status"] in FINISHED_JOB:
        return
    if state.stream_id is not None:
        end = _ENDS[state.status]
        await stream_store.finish_next(connection, state.stream_id, end, end, _facts(state, counts))
    body = {
        "job_id": str(state.id),
        "space_id": str(state.space_id),
        "status": state.status,
        "counts": counts.model_dump(),
    }
    await emit_event(connection, "job.finished", state.id, body)


def _implied(state: store.JobState, processing: int) -> JobStatus:
    return folded(
        state.status,
        total=state.total,
        done=state.done,
        failed=state.failed,
        cancelled=state.cancelled,
        processing=processing,
    )


def _counts(state: store.JobState, processing: int) -> JobCounts:
    return shown.counts(
        total=state.total, done=state.done, failed=state.failed, cancelled=state.cancelled, processing=processing
    )


def _facts(state: store.JobState, counts: JobCounts) -> dict[str, Any]:
    return {
        "counts": counts.model_dump(),
        "total": state.total,
        "cost_micros": state.cost_micros,
        "status": state.status,
    }


def _told(row: Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "seq": row["seq"],
        "status": shown_task(row["status"]),
        "attempt": row["attempt"],
        "progress": row["progress"],
        "worker": row["worker_name"],
    }
