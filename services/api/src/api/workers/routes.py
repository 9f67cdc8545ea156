"""`/api/v1/admin`: worker tokens, workers, queues, hosts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from api.http.caller import Admin, current_admin
from api.http.services import provided
from api.workers.fleet import FleetService
from api.workers.schemas import (
    HostList,
    MadeWorkerToken,
    NewWorkerToken,
    QueueList,
    Rotation,
    TokenId,
    WorkerList,
    WorkerTokenList,
)
from api.workers.service import WorkerTokenService

router = APIRouter(prefix="/api/v1/admin", tags=["admin"], dependencies=[Depends(current_admin)])
Tokens = Annotated[WorkerTokenService, Depends(provided(WorkerTokenService))]
Fleet = Annotated[FleetService, Depends(provided(FleetService))]


@router.post("/worker-tokens", status_code=201, summary="Make a worker token")
async def create(new: NewWorkerToken, admin: Admin, tokens: Tokens, response: Response) -> MadeWorkerToken:
    """The secret is in this answer and nowhere else, so it cannot be asked for again."""
    response.headers["Cache-Control"] = "no-store"
    return await tokens.create(new, admin.user_id)


@router.get("/worker-tokens", summary="List worker tokens")
async def newest(tokens: Tokens) -> WorkerTokenList:
    """The newest first, without secrets."""
    return await tokens.newest()


@router.post("/worker-tokens/{token_id}/rotate", status_code=201, summary="Change a token's secret")
async def rotate(token_id: TokenId, tokens: Tokens, response: Response, how: Rotation | None = None) -> MadeWorkerToken:
    """The secret before stays valid for `grace_hours`; at most two are valid at a time."""
    response.headers["Cache-Control"] = "no-store"
    return await tokens.rotate(token_id, how or Rotation())


@router.post("/worker-tokens/{token_id}/revoke", status_code=204, summary="Revoke a token")
@router.delete("/worker-tokens/{token_id}", status_code=204, summary="Revoke a token")
async def revoke(token_id: TokenId, tokens: Tokens) -> None:
    """Its workers are refused from their next call on; what they hold comes back when its lease ends."""
    await tokens.revoke(token_id)


@router.get("/workers", summary="List workers")
async def workers(admin: Admin, fleet: Fleet) -> WorkerList:
    """Those seen last first, with the tasks that they hold."""
    return await fleet.workers(admin)


@router.post("/workers/{worker_id}/drain", status_code=204, summary="Let a worker end")
async def drain(worker_id: UUID, fleet: Fleet) -> None:
    """It is given nothing more, finishes what it holds, and ends; when it registers again it works again."""
    await fleet.drain(worker_id)


@router.get("/queues", summary="List queues")
async def queues(admin: Admin, fleet: Fleet) -> QueueList:
    """Everybody's tasks that wait or are at work, as numbers."""
    return await fleet.queues(admin)


@router.get("/hosts", summary="List rented machines")
async def hosts(fleet: Fleet) -> HostList:
    """The newest first, with what each has cost."""
    return await fleet.hosts()
