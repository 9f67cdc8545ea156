"""Takes the results of a deleted job out of storage: a promise kept by a task, at once and again when the last signed address has died."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from shared.outbox import enqueue_task
from shared.storage.keys import incoming_key, job_prefix

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.http.callbacks import CallbackVerifier
    from shared.storage import ObjectStore

QUEUE = "forget-job"
# An address that a worker was given may be used for an hour.
_ADDRESSES_LIVE = timedelta(hours=1, minutes=5)


class ForgetJob(BaseModel):
    """Whose results are to go."""

    space_id: UUID
    job_id: UUID


async def promise(connection: Connection, space_id: UUID, job_id: UUID) -> None:
    """Write the promise in the transaction of the deletion."""
    body = {"space_id": str(space_id), "job_id": str(job_id)}
    await enqueue_task(connection, QUEUE, str(job_id), body)
    await enqueue_task(connection, QUEUE, f"{job_id} again", body, datetime.now(UTC) + _ADDRESSES_LIVE)


def forget_router(verify: CallbackVerifier, storage: ObjectStore) -> APIRouter:
    """The route that keeps it; a second call finds nothing."""
    router = APIRouter(prefix="/internal/tasks", include_in_schema=False, dependencies=[Depends(verify)])

    @router.post(f"/{QUEUE}", status_code=204)
    async def forget(job: ForgetJob) -> None:
        for prefix in (job_prefix(job.space_id, job.job_id), incoming_key(job_prefix(job.space_id, job.job_id))):
            await storage.delete_prefix(prefix)

    return router
