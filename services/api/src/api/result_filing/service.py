"""A result becomes an entry, once, however often it is asked for and wherever it was interrupted.

The upload's id follows from the task's, and a file belongs to one entry: whoever comes second, or after a crash, finds what is there already.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from shared.db import Principal
from shared.errors import Problem
from shared.ids import new_id
from shared.inbox import handle_once
from shared.outbox import enqueue_task

from api.result_filing import store
from api.result_filing.errors import JobNotFound, ResultMissing, SpaceReadOnly
from api.result_filing.schemas import FileJobResults, FileResult, ResultFiling, SkippedResult, TaskFinished

if TYPE_CHECKING:
    from shared.db import Connection, Database
    from shared.outbox import Relay
    from shared.storage.media import Kind

    from api.result_filing.store import Result

FILE_RESULT, FILE_JOB_RESULTS = "file-result", "file-job-results"
_CONSUMER = "api"
_UPLOADS = UUID("0e5f6f3c-8a51-4d2b-9a53-6f1f6f0c7d21")
_AT_ONCE = 500
_NAMED = 100
# A report that began before the wish and ends after it is found by a second look.
_LATE_REPORTS = timedelta(seconds=30)
_TOO_MANY = 429

KeepFile = Callable[[Principal, UUID, "Result"], Awaitable["Kind"]]
"""Keeps a copy of the result as an upload of this id, and says what kind of file it is. A second call changes nothing."""

WriteEntry = Callable[[Principal, "Kind", UUID, "Result"], Awaitable[UUID]]
"""Saves an entry with this upload; its id. A second call is refused, because a file belongs to one entry."""


@dataclass(frozen=True, slots=True)
class ResultFilingService:
    """`ask` and `state` are a person's; the others keep what was promised."""

    database: Database
    relay: Relay
    keep: KeepFile
    write: WriteEntry

    async def ask(self, principal: Principal, job_id: UUID) -> ResultFiling:
        """File what the job has made and will make; what was filed is left alone, what was skipped is tried again."""
        async with self.database.tenant_tx(principal) as connection:
            job = await store.job(connection, job_id)
            if job is None:
                raise JobNotFound
            if job["role"] == "viewer":
                raise SpaceReadOnly
            await store.file_from_now_on(connection, job_id)
            wish = FileJobResults(
                job_id=job_id, space_id=job["space_id"], user_id=principal.user_id, request_id=new_id()
            )
            await _promise_page(connection, wish)
            await _promise_page(connection, wish, not_before=datetime.now(UTC) + _LATE_REPORTS)
        await self.relay.after_commit()
        return await self.state(principal, job_id)

    async def state(self, principal: Principal, job_id: UUID) -> ResultFiling:
        """How far it is."""
        async with self.database.tenant_tx(principal) as connection:
            job = await store.job(connection, job_id)
            if job is None:
                raise JobNotFound
            counts = await store.counts(connection, job_id)
            reasons = await store.skipped(connection, job_id, _NAMED)
        open_ = counts["done"] - counts["filed"] - counts["skipped"]
        return ResultFiling(
            job_id=job_id,
            file_results=job["file_results"],
            **counts,
            waiting=open_ if job["file_results"] else 0,
            reasons=[SkippedResult(**row) for row in reasons],
        )

    async def note_finished(self, message_id: str, fact: TaskFinished) -> None:
        """Promise to file a result when its job wants that."""
        if fact.status != "done" or not fact.file_results:
            return
        async with (
            self.database.space_tx(fact.space_id) as connection,
            handle_once(connection, _CONSUMER, message_id) as fresh,
        ):
            if fresh:
                await _promise(connection, FileResult(task_id=fact.task_id, space_id=fact.space_id), str(fact.task_id))
        await self.relay.after_commit()

    async def file_job(self, wish: FileJobResults) -> None:
        """Promise to file each result that is not an entry yet, some hundreds at a time."""
        async with self.database.space_tx(wish.space_id) as connection:
            rows = await store.unfiled(connection, wish.job_id, wish.after, _AT_ONCE)
            for row in rows:
                one = FileResult(task_id=row["id"], space_id=wish.space_id, user_id=wish.user_id)
                await _promise(connection, one, f"{row['id']} {wish.request_id}")
            if len(rows) == _AT_ONCE:
                await _promise_page(connection, wish.model_copy(update={"after": rows[-1]["seq"]}))
        await self.relay.after_commit()

    async def file(self, wish: FileResult) -> None:
        """Make an entry of a result, or write down why not. What may go better later is raised, so that it is tried again."""
        async with self.database.space_tx(wish.space_id) as connection:
            result = await store.result(connection, wish.task_id)
        if result is None or result.entry_id is not None:
            return
        try:
            entry_id = await self._entry(Principal(wish.user_id or result.owner_id), result)
        except Problem as problem:
            if problem.status >= 500 or problem.status == _TOO_MANY:
                raise
            async with self.database.space_tx(wish.space_id) as connection:
                await store.not_filed(connection, wish.task_id, problem.code, problem.detail)
            return
        async with self.database.space_tx(wish.space_id) as connection:
            await store.filed(connection, wish.task_id, entry_id)

    async def _entry(self, person: Principal, result: Result) -> UUID:
        if result.output_key is None:
            raise ResultMissing
        upload_id = uuid5(_UPLOADS, str(result.task_id))
        if (known := await self._entry_of(result.space_id, upload_id)) is not None:
            return known
        try:
            kind = await self.keep(person, upload_id, result)
            return await self.write(person, kind, upload_id, result)
        except Problem:
            # Somebody else was at it at the same time, and has come further.
            if (known := await self._entry_of(result.space_id, upload_id)) is not None:
                return known
            raise

    async def _entry_of(self, space_id: UUID, upload_id: UUID) -> UUID | None:
        async with self.database.space_tx(space_id) as connection:
            return await store.entry_of(connection, upload_id)


async def _promise(connection: Connection, wish: FileResult, name: str) -> None:
    await enqueue_task(connection, FILE_RESULT, name, wish.model_dump(mode="json"))


async def _promise_page(connection: Connection, wish: FileJobResults, not_before: datetime | None = None) -> None:
    name = f"{wish.job_id} {wish.request_id} {wish.after}{' again' if not_before else ''}"
    await enqueue_task(connection, FILE_JOB_RESULTS, name, wish.model_dump(mode="json"), not_before)
