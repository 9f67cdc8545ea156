"""`/api/v1/me`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from shared.contracts.identity import Me

from api.http.attempts import SignInGuard
from api.http.caller import Caller
from api.http.services import provided
from api.me.erasure import ErasureService
from api.me.schemas import AccountErasure, ProfileChange
from api.me.service import MeService

router = APIRouter(prefix="/api/v1/me", tags=["me"])
Service = Annotated[MeService, Depends(provided(MeService))]
Erasure = Annotated[ErasureService, Depends(provided(ErasureService))]
Guard = Annotated[SignInGuard, Depends(provided(SignInGuard))]


@router.get("")
async def me(principal: Caller, service: Service) -> Me:
    """The signed-in person and the spaces they may use."""
    return await service.me(principal)


@router.patch("")
async def change_me(body: ProfileChange, principal: Caller, service: Service) -> Me:
    """Change one's display name or language."""
    return await service.change(principal, body)


@router.delete("", status_code=204, summary="Erase one's account")
async def erase_me(body: AccountErasure, principal: Caller, request: Request, erasure: Erasure, guard: Guard) -> None:
    """Everything of one's own goes for good: the personal space, spaces that nobody else is in, conversations, sessions. Rows go at once, vectors and
    files within moments. What one put into spaces of others stays there without one's name. 409 while others would be left without an owner."""
    async with guard.attempt(request, principal.email):
        await erasure.erase(principal, body.password)
    # The log of calls is written later, and would name somebody who is no more.
    request.state.user_id = None
