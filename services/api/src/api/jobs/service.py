"""Jobs: give, read, rename, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.studio import Job
from shared.http.idempotency import OnceOnly
from shared.http.pages import decode_page_token, encode_page_token
from shared.ids import new_id

from api.http import positions
from api.jobs import access, commanding, forgetting, reading_store, shown, store
from api.jobs.errors import JobNotFound, JobNotSubmitted
from api.jobs.params import check_params, requirements
from api.jobs.schemas import JobPage

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay

    from api.jobs.schemas import JobFilter, NewJob


@dataclass(frozen=True, slots=True)
class JobService:
    """Jobs as one person may see and write them."""

    database: Database
    relay: Relay

    async def create(self, principal: Principal, new: NewJob, key: str | None) -> Job:
        """Keep a draft."""
        check_params(new.runner, new.params)
        async with self.database.tenant_tx(principal) as connection:
            once = OnceOnly(connection, principal.user_id, key, ("jobs", new.model_dump(mode="json")))
            if (before := await once.recall()) is not None:
                return Job.model_validate(before)
            row = _row(new, await access.writable_space(connection, new.space_id), principal.user_id)
            await store.insert(connection, row)
            job = await seen(connection, row.id)
            await once.remember(job.model_dump(mode="json"))
        return job

    async def read(self, principal: Principal, job_id: UUID) -> Job:
        """One job."""
        async with self.database.tenant_tx(principal) as connection:
            return await seen(connection, job_id)

    async def page(self, principal: Principal, wanted: JobFilter, size: int, token: str | None) -> JobPage:
        """A page of jobs, the newest first."""
        position = decode_page_token(token, 1, wanted.key())
        before = positions.identifier(position[0]) if position else None
        async with self.database.tenant_tx(principal) as connection:
            rows = await _gather(connection, wanted, before, size + 1)
        more = encode_page_token([rows[size - 1]["id"]], wanted.key()) if len(rows) > size else None
        return JobPage(jobs=[shown.job(row) for row in rows[:size]], next_page_token=more)

    async def rename(self, principal: Principal, job_id: UUID, name: str) -> Job:
        """Give it another name."""
        async with self.database.tenant_tx(principal) as connection:
            await access.locked_job(connection, job_id)
            await store.rename(connection, job_id, name)
            return await seen(connection, job_id)

    async def delete(self, principal: Principal, job_id: UUID) -> None:
        """Delete a job with its tasks; whoever works on one hears that it is gone, and results go within moments."""
        async with self.database.tenant_tx(principal) as connection:
            job = await access.locked_job(connection, job_id)
            await commanding.lock_turns(connection, job)
            await store.delete(connection, job_id)
            await forgetting.promise(connection, job["space_id"], job_id)
        await self.relay.after_commit()

    async def stream_of(self, principal: Principal, job_id: UUID) -> UUID:
        """The stream of the job's newest run."""
        async with self.database.tenant_tx(principal) as connection:
            row = await reading_store.stream_of(connection, job_id)
        if row is None:
            raise JobNotFound
        if row["stream_id"] is None:
            raise JobNotSubmitted
        stream_id: UUID = row["stream_id"]
        return stream_id


async def seen(connection: Connection, job_id: UUID) -> Job:
    """The job as this person sees it."""
    row = await reading_store.job(connection, job_id)
    if row is None:
        raise JobNotFound
    return shown.job(row)


async def _gather(connection: Connection, wanted: JobFilter, before: UUID | None, limit: int) -> list[Record]:
    """Up to `limit` jobs that are shown in the wanted state: their rows may be a moment behind, so more are read than fit."""
    stored = shown.STORED_JOB[wanted.status] if wanted.status else None
    found: list[Record] = []
    while True:
        rows = await reading_store.jobs(connection, stored, wanted.space_id, before, limit)
        found += [row for row in rows if wanted.status in {None, shown.job_status(row)}]
        if len(rows) < limit or len(found) >= limit:
            return found[:limit]
        before = rows[-1]["id"]


def _row(new: NewJob, space_id: UUID, owner_id: UUID) -> store.JobRow:
    return store.JobRow(
        id=new_id(),
        space_id=space_id,
        owner_id=owner_id,
        name=new.name,
        kind=new.kind,
        runner=new.runner,
        params=new.params,
        requires=requirements(new.runner, new.requires, new.params).model_dump(exclude_none=True),
        priority=new.priority,
        max_attempts=new.max_attempts,
        file_results=new.file_results,
    )
