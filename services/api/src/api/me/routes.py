"""`/api/v1/me`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from shared.contracts.identity import Me

from api.http.caller import Caller
from api.http.services import provided
from api.me.schemas import ProfileChange
from api.me.service import MeService

router = APIRouter(prefix="/api/v1/me", tags=["me"])
Service = Annotated[MeService, Depends(provided(MeService))]


@router.get("")
async def me(principal: Caller, service: Service) -> Me:
    """The signed-in person and the spaces they may use."""
    return await service.me(principal)


@router.patch("")
async def change_me(body: ProfileChange, principal: Caller, service: Service) -> Me:
    """Change one's display name or language."""
    return await service.change(principal, body)
