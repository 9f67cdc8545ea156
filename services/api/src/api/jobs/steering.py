"""Cancel, pause, resume, try again: each is one transaction under the lock of the job's row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.studio import Job, Task

from api.jobs import commanding, reading_store, shown, tasks_store
from api.jobs.errors import JobStateForbids, TaskNotFailed, TaskNotFound
from api.jobs.service import seen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.db import Connection, Database, Principal
    from shared.outbox import Relay
    from shared.streams import StreamHub

    from api.jobs.commanding import CommandedJob


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

        async def retry(connection: Connection, job: CommandedJob) -> None:
            if not await _retry(connection, job, task_id):
                raise TaskNotFailed(await _why_not(connection, task_id))

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

    async def _command(
        self, principal: Principal, job_id: UUID, act: Callable[[Connection, CommandedJob], Awaitable[None]]
    ) -> Job:
        async with self.database.tenant_tx(principal) as connection:
            job = await commanding.begin(connection, job_id)
            before = job.state.stream_id
            await act(connection, job)
            await commanding.write(connection, job)
            answer = await seen(connection, job_id)
        await self.relay.after_commit()
        for stream_id in {before, job.state.stream_id}:
            if stream_id is not None:
                self.hub.wake(stream_id)
        return answer


async def _cancel(connection: Connection, job: CommandedJob) -> None:
    before = job.state.status
    job.obey("cancel")
    cancelled = await tasks_store.cancel(connection, job.id)
    if not cancelled and before not in {"draft", "cancelled"}:
        raise JobStateForbids("Every task of the job has finished; there is nothing left to cancel.")
    await commanding.take_reports(connection, job)
    job.state.cancelled += cancelled


async def _pause(connection: Connection, job: CommandedJob) -> None:
    if commanding.all_finished(job):
        raise JobStateForbids("Every task of the job has finished; there is nothing left to pause.")
    job.obey("pause")
    await tasks_store.hold(connection, job.id)


async def _resume(connection: Connection, job: CommandedJob) -> None:
    job.obey("resume")
    held = await tasks_store.count_held(connection, job.id)
    if held:
        base = await _place(connection, job, held)
        await tasks_store.release(connection, job.id, base)


async def _retry_failed(connection: Connection, job: CommandedJob) -> None:
    await _retry(connection, job, None)


async def _retry(connection: Connection, job: CommandedJob, task_id: UUID | None) -> bool:
    job.obey("retry")
    failed = await tasks_store.lock_failed(connection, job.id, task_id)
    if not failed:
        return False
    paused = job.state.status == "paused"
    base = 0 if paused else await _place(connection, job, len(failed))
    await tasks_store.retry(connection, failed, "held" if paused else "queued", base)
    await commanding.take_reports(connection, job)
    job.state.failed -= len(failed)
    job.changed[:0] = failed
    return True


async def _place(connection: Connection, job: CommandedJob, count: int) -> int:
    queue = await tasks_store.queue(connection, job.row["runner"], job.row["requires"])
    await tasks_store.wake_workers(connection)
    return await tasks_store.place(connection, job.state.space_id, queue, job.row["priority"], count)


async def _why_not(connection: Connection, task_id: UUID) -> str:
    row = await reading_store.task(connection, task_id)
    if row is None:
        raise TaskNotFound
    return f"The task is {shown.task(row).status}. Only one that has failed can be tried again."
