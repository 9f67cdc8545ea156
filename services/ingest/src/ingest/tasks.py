"""`/internal/tasks/{queue}`: commands from Cloud Tasks, and `/internal/sweep` from the scheduler."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from shared.errors import NotFound
from shared.parking_store import park
from shared.pushes import reason

if TYPE_CHECKING:
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier
    from shared.outbox import Relay

    from ingest.handlers import Command
    from ingest.sweep import Sweep

log = logging.getLogger(__name__)


class QueueUnknown(NotFound):
    """Nobody here serves this queue."""

    code = "queue_unknown"
    default_detail = "This service does not serve this queue."


def task_router(
    verify: CallbackVerifier, commands: Mapping[str, Command], database: Database, relay: Relay, sweep: Sweep
) -> APIRouter:
    """The routes of all queues and of the sweep."""
    router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(verify)])

    @router.post("/tasks/{queue}", status_code=204)
    async def task(queue: str, request: Request) -> None:
        """204 once the work is done, or there is none; 503 asks for another call."""
        command = commands.get(queue)
        if command is None:
            raise QueueUnknown
        raw = await request.body()
        try:
            message = command.message.model_validate_json(raw)
        except ValidationError as error:
            why = reason(error)
            log.warning("a task of queue %s cannot be done and is set aside: %s", queue, why)
            async with database.service_tx() as connection:
                await park(connection, "ingest", queue, why, raw)
            return
        await command.run(message)
        await relay.after_commit()

    @router.post("/sweep", status_code=204)
    async def tidy() -> None:
        """Take up what has stood still."""
        await sweep.run()

    return router
