"""Cancel, pause, resume, try again: each is one transaction under the lock of the job's row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.studio import Job, Task

from api.jobs import commanding, reading_store, shown, tasks_store
from api.jobs.errors import JobStateForbids, TaskNotFailed, TaskNotFound
from api.jobs.service import seen

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay
    from shared.streams import StreamHub

Act = Callable[["Connection", "Record"], Awaitable[UUID | None]]


@dataclass(frozen=True, slots=True)
class SteeringService:
    """Commands; one that is already obeyed changes nothing and answers the job as it is."""

    database: Database
    relay: Relay
    hub: StreamHub

    async def cancel(self, principal: Principal, job_id: UUID) -> Job:
        """Everything unfinished is cancelled at once; a worker that is at it hears so with its next heartbeat."""
        return await self._command(principal, job_id, _cancel)

    async def pause(self, principal: Principal, job_id: UUID) -> Job:
        """What waits is held back; what is at work finishes."""
        return await self._command(principal, job_id, _pause)

    async def resume(self, principal: Principal, job_id: UUID) -> Job:
        """What was held waits for workers again, behind what others of the space asked for meanwhile."""
        return await self._command(principal, job_id, _resume)

    async def retry_failed(self, principal: Principal, job_id: UUID) -> Job:
        """Every failed task waits for workers again, with all its attempts before it."""
        return await self._command(principal, job_id, _retry_failed)

    async def retry_task(self, principal: Principal, task_id: UUID) -> Task:
        """The same for one task. Raises `TaskNotFailed`."""

        async def retry(connection: Connection, job: Record) -> UUID | None:
            failed = await tasks_store.lock_failed(connection, job["id"], task_id)
            if not failed:
                raise TaskNotFailed(await _why_not(connection, task_id))
            return await _retry(connection, job, failed)

        async with self.database.tenant_tx(principal) as connection:
            job_id = await tasks_store.job_of(connection, task_id)
            if job_id is None:
                raise TaskNotFound
        await self._command(principal, job_id, retry)
        async with self.database.tenant_tx(principal) as connection:
            row = await reading_store.task(connection, task_id)
        if row is None:
            raise TaskNotFound
        return shown.task(row)

    async def _command(self, principal: Principal, job_id: UUID, act: Act) -> Job:
        async with self.database.tenant_tx(principal) as connection:
            job = await commanding.begin(connection, job_id)
            stream_id = await act(connection, job)
            answer = await seen(connection, job_id)
        await self.relay.after_commit()
        for followed in (job["stream_id"], stream_id):
            if followed is not None:
                self.hub.wake(followed)
        return answer


async def _cancel(connection: Connection, job: Record) -> UUID | None:
    status = commanding.obeyed(job, "cancel")
    await commanding.lock_turns(connection, job)
    cancelled = await tasks_store.cancel(connection, job["id"])
    if not cancelled and job["status"] not in {"draft", "cancelled"}:
        raise JobStateForbids("Every task of the job has finished; there is nothing left to cancel.")
    return await commanding.end(connection, job, status, cancelled=cancelled)


async def _pause(connection: Connection, job: Record) -> UUID | None:
    status = commanding.obeyed(job, "pause")
    await commanding.lock_turns(connection, job)
    await tasks_store.hold(connection, job["id"])
    return await commanding.end(connection, job, status)


async def _resume(connection: Connection, job: Record) -> UUID | None:
    status = commanding.obeyed(job, "resume")
    if job["status"] == "paused" and (waiting := await tasks_store.count_waiting(connection, job["id"])):
        await tasks_store.release(connection, job["id"], await _place(connection, job, waiting))
    return await commanding.end(connection, job, status)


async def _retry_failed(connection: Connection, job: Record) -> UUID | None:
    return await _retry(connection, job, await tasks_store.lock_failed(connection, job["id"], None))


async def _retry(connection: Connection, job: Record, failed: list[UUID]) -> UUID | None:
    status = commanding.obeyed(job, "retry")
    if failed and status == "paused":
        await tasks_store.retry(connection, failed, "held", 0)
    elif failed:
        await tasks_store.retry(connection, failed, "queued", await _place(connection, job, len(failed)))
    return await commanding.end(connection, job, status)


async def _place(connection: Connection, job: Record, count: int) -> int:
    queue = await tasks_store.queue(connection, job["runner"], job["requires"])
    await tasks_store.wake_workers(connection)
    return await tasks_store.place(connection, job["space_id"], queue, job["priority"], count)


async def _why_not(connection: Connection, task_id: UUID) -> str:
    row = await reading_store.task(connection, task_id)
    if row is None:
        raise TaskNotFound
    return f"The task is {shown.task(row).status}. Only one that has failed can be tried again."
