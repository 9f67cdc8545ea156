"""`/api/v1/tasks`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse
from shared.contracts.studio import Task

from api.http.caller import Caller
from api.http.services import provided
from api.jobs.steering import SteeringService
from api.jobs.watching import Variant, WatchingService

router = APIRouter(prefix="/api/v1/tasks", tags=["jobs"])
Steering = Annotated[SteeringService, Depends(provided(SteeringService))]
Watching = Annotated[WatchingService, Depends(provided(WatchingService))]
_REDIRECT: dict[str, Any] = {
    "status_code": 302,
    "response_class": RedirectResponse,
    "responses": {302: {"description": "To an address that is good for some minutes"}},
}


@router.get("/{task_id}", summary="Read a task")
async def read(task_id: UUID, caller: Caller, watching: Watching) -> Task:
    """What became of one input."""
    return await watching.read(caller, task_id)


@router.post("/{task_id}/retry", summary="Try a failed task again")
async def retry(task_id: UUID, caller: Caller, steering: Steering) -> Task:
    """With all its attempts anew. A job that had ended goes on, with a new stream of events."""
    return await steering.retry_task(caller, task_id)


@router.get("/{task_id}/output", summary="Read a task's result", **_REDIRECT)
async def output(task_id: UUID, caller: Caller, watching: Watching) -> RedirectResponse:
    """The file that the task made."""
    return RedirectResponse(await watching.output_address(caller, task_id), 302)


@router.get("/{task_id}/input", summary="Read a task's input", **_REDIRECT)
async def given(task_id: UUID, caller: Caller, watching: Watching, variant: Variant = "original") -> RedirectResponse:
    """The file that the task was given. Where there is no thumbnail, that is the original too."""
    return RedirectResponse(await watching.input_address(caller, task_id, variant), 302)
