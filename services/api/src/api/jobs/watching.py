"""Tasks as people look at them, and where their inputs and outputs can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from shared.contracts.studio import Task
from shared.http.pages import decode_page_token, encode_page_token

from api.http import positions
from api.jobs import reading_store, shown, store
from api.jobs.errors import JobNotFound, NoInput, NoOutput, TaskNotFound
from api.jobs.limits import READING_S
from api.jobs.schemas import TaskPage

if TYPE_CHECKING:
    from shared.contracts.studio import TaskStatus
    from shared.db import Database, Principal, Record
    from shared.storage import ObjectStore

Variant = Literal["original", "thumbnail"]


@dataclass(frozen=True, slots=True)
class WatchingService:
    """Reads only."""

    database: Database
    storage: ObjectStore

    async def page(
        self, principal: Principal, job_id: UUID, status: TaskStatus | None, size: int, token: str | None
    ) -> TaskPage:
        """A page of a job's tasks, in its order."""
        bound = (str(job_id), status)
        position = decode_page_token(token, 1, bound)
        after = positions.number(position[0]) if position else -1
        async with self.database.tenant_tx(principal) as connection:
            if not await store.visible(connection, job_id):
                raise JobNotFound
            stored = shown.STORED_TASK[status] if status else None
            rows = await reading_store.tasks(connection, job_id, stored, after, size + 1)
        more = encode_page_token([rows[size - 1]["seq"]], bound) if len(rows) > size else None
        return TaskPage(tasks=[shown.task(row) for row in rows[:size]], next_page_token=more)

    async def read(self, principal: Principal, task_id: UUID) -> Task:
        """One task."""
        return shown.task(await self._found(principal, task_id))

    async def output_address(self, principal: Principal, task_id: UUID) -> str:
        """Where the result can be read for some minutes."""
        row = await self._found(principal, task_id)
        if row["status"] != "done" or row["output_key"] is None:
            raise NoOutput(f"The task is {shown.task(row).status} and has no result.")
        return await self.storage.presign_get(
            row["output_key"], filename=row["output_name"], content_type=row["output_type"], expires_s=READING_S
        )

    async def input_address(self, principal: Principal, task_id: UUID, variant: Variant) -> str:
        """Where the input can be read for some minutes; the original where there is no thumbnail."""
        row = await self._found(principal, task_id)
        if row["input_key"] is None:
            raise NoInput
        if variant == "thumbnail" and (key := await self._thumbnail(principal, row)) is not None:
            return await self.storage.presign_get(key, content_type="image/webp", expires_s=READING_S)
        return await self.storage.presign_get(
            row["input_key"], filename=row["input_name"], content_type=row["input_type"], expires_s=READING_S
        )

    async def _found(self, principal: Principal, task_id: UUID) -> Record:
        async with self.database.tenant_tx(principal) as connection:
            row = await reading_store.task(connection, task_id)
        if row is None:
            raise TaskNotFound
        return row

    async def _thumbnail(self, principal: Principal, row: Record) -> str | None:
        if row["upload_id"] is None:
            return None
        async with self.database.tenant_tx(principal) as connection:
            return await reading_store.thumbnail_key(connection, row["upload_id"])
