"""What the event bus and the queues call: a task has finished, results are to be filed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from shared.parking_store import park
from shared.pushes import MessageMalformed, open_envelope, reason

from api.result_filing.schemas import FileJobResults, FileResult, TaskFinished
from api.result_filing.service import FILE_JOB_RESULTS, FILE_RESULT

if TYPE_CHECKING:
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier

    from api.result_filing.service import ResultFilingService

TOPIC = "task.finished"

log = logging.getLogger(__name__)


def filing_router(verify: CallbackVerifier, database: Database, filing: ResultFilingService) -> APIRouter:
    """The routes; each may be called again."""
    router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(verify)])

    @router.post(f"/push/{TOPIC}", status_code=204)
    async def finished(request: Request) -> None:
        """204 once it is recorded; what can never be understood is set aside and also answered 204."""
        raw = await request.body()
        try:
            message_id, fact = _read(raw)
        except MessageMalformed as malformed:
            log.warning("a message of topic %s cannot be handled and is set aside: %s", TOPIC, malformed)
            async with database.service_tx() as connection:
                await park(connection, "api", TOPIC, str(malformed), raw)
            return
        await filing.note_finished(message_id, fact)

    @router.post(f"/tasks/{FILE_RESULT}", status_code=204)
    async def file_result(wish: FileResult) -> None:
        await filing.file(wish)

    @router.post(f"/tasks/{FILE_JOB_RESULTS}", status_code=204)
    async def file_job_results(wish: FileJobResults) -> None:
        await filing.file_job(wish)

    return router


def _read(raw: bytes) -> tuple[str, TaskFinished]:
    pushed = open_envelope(raw)
    try:
        return pushed.message_id, TaskFinished.model_validate(pushed.data)
    except ValidationError as error:
        raise MessageMalformed(reason(error)) from error
