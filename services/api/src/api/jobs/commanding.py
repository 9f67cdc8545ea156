"""What commands have in common: the job's row is locked, what was reported is folded in, and at the end another fold tells followers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from shared.ids import new_id
from shared.streams import store as stream_store
from shared.studio.folding_store import fold
from shared.studio.states import FINISHED_JOB, commanded

from api.jobs import access, store, tasks_store
from api.jobs.errors import JobNotFound, JobStateForbids

if TYPE_CHECKING:
    from shared.contracts.studio import JobStatus
    from shared.db import Connection, Record
    from shared.studio.states import JobCommand

_STREAM_KIND = "job"
_REFUSALS: dict[JobCommand, str] = {
    "enqueue": "The job is {status}, so it takes no more inputs. Make a new job.",
    "pause": "The job is {status}. Only one that waits or runs can be paused.",
    "resume": "The job is {status}. Only one that is paused can be resumed.",
    "cancel": "The job is {status}; there is nothing left to cancel.",
    "retry": "The job is {status}, so its failed tasks stay as they are. Make a new job.",
}


async def begin(connection: Connection, job_id: UUID) -> Record:
    """The job, locked until the transaction ends, as it is once everything reported so far is folded in."""
    job = await access.locked_job(connection, job_id)
    if job["reported"]:
        await fold(connection, job_id)
        job = await access.locked_job(connection, job_id)
    return job


def obeyed(job: Record, command: JobCommand) -> JobStatus:
    """The state that the command leads to. Raises `JobStateForbids`."""
    status = commanded(job["status"], command)
    if status is None:
        raise JobStateForbids(_REFUSALS[command].format(status=job["status"]))
    return status


async def lock_turns(connection: Connection, job: Record) -> None:
    """To be called before tasks of the job that wait are changed, unless they get new turns."""
    queue_id = await tasks_store.queue(connection, job["runner"], job["requires"])
    await tasks_store.lock_turns(connection, job["space_id"], queue_id)


async def end(
    connection: Connection, job: Record, status: JobStatus, *, added: int = 0, cancelled: int = 0
) -> UUID | None:
    """Write the new state and tell followers; the stream that they follow from now on. Other counts come as deltas.

    A job that had ended, or has never begun, gets a new stream.
    """
    stream_id: UUID | None = job["stream_id"]
    begins = added > 0 and stream_id is None
    if begins or (job["status"] in FINISHED_JOB and status not in FINISHED_JOB):
        stream_id = new_id()
        await stream_store.create(
            connection, stream_id, space_id=job["space_id"], kind=_STREAM_KIND, subject_id=job["id"]
        )
    await store.save(connection, job["id"], status, stream_id, added=added, cancelled=cancelled)
    outcome = await fold(connection, job["id"])
    if outcome is None:
        raise JobNotFound
    return outcome.stream_id
