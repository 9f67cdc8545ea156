"""`/api/v1/ui`: what the web app's server calls for its browsers."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request

from api.http.attempts import SignInGuard
from api.http.caller import Caller
from api.http.services import provided
from api.ui_sessions import schemas
from api.ui_sessions.service import UiSessionService

router = APIRouter(prefix="/api/v1/ui", tags=["ui sessions"])
Service = Annotated[UiSessionService, Depends(provided(UiSessionService))]
Guard = Annotated[SignInGuard, Depends(provided(SignInGuard))]


@router.post("/tickets", status_code=201)
async def issue_ticket(
    body: schemas.TicketRequest,
    request: Request,
    service: Service,
    guard: Guard,
    user_agent: Annotated[str | None, Header()] = None,
) -> schemas.Ticket:
    """Sign in (or up) and get a ticket that opens one browser session, once, within 30 seconds."""
    async with guard.attempt(request, body.email):
        return await service.issue_ticket(body, user_agent)


@router.post("/sessions", status_code=201)
async def open_session(body: schemas.TicketUse, service: Service) -> schemas.NewSession:
    """Trade a ticket for a session handle."""
    return await service.open(body.ticket)


@router.post("/sessions/token")
async def session_token(body: schemas.SessionHandle, service: Service) -> schemas.SessionToken:
    """A short access token of this session; the refresh token stays here."""
    return await service.token(body.session)


@router.delete("/sessions", status_code=204)
async def close_session(body: schemas.SessionHandle, service: Service) -> None:
    """Sign this browser out."""
    await service.close(body.session)


@router.get("/sessions")
async def list_sessions(principal: Caller, service: Service) -> schemas.UiSessions:
    """One's signed-in browsers."""
    return schemas.UiSessions(sessions=await service.list(principal))


@router.delete("/sessions/{session_id}", status_code=204)
async def close_one(session_id: UUID, principal: Caller, service: Service) -> None:
    """Sign one of one's browsers out."""
    await service.close_one(principal, session_id)


@router.post("/sessions/revoke-all", status_code=204)
async def close_all(principal: Caller, request: Request, service: Service) -> None:
    """Sign out everywhere; this access token ends too."""
    access_token = request.headers["authorization"].partition(" ")[2]
    await service.close_all(principal, access_token)
