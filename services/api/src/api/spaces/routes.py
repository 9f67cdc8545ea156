"""`/api/v1/spaces`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from shared.contracts.identity import Member, Space
from shared.http.idempotency import IdempotencyKey

from api.http.caller import Caller
from api.http.services import provided
from api.spaces import schemas
from api.spaces.service import SpaceService

router = APIRouter(prefix="/api/v1/spaces", tags=["spaces"])
Service = Annotated[SpaceService, Depends(provided(SpaceService))]
PageSize = Annotated[int, Query(ge=1, le=200)]
PageToken = Annotated[str | None, Query(max_length=500)]


@router.get("", summary="List one's spaces")
async def page(
    caller: Caller, service: Service, page_size: PageSize = 100, page_token: PageToken = None
) -> schemas.SpacePage:
    """The personal space, then the shared ones, with the caller's role in each."""
    return await service.page(caller, page_size, page_token)


@router.post("", status_code=201, summary="Make a shared space")
async def create(
    new: schemas.NewSpace, caller: Caller, service: Service, idempotency_key: IdempotencyKey = None
) -> Space:
    """Its maker is its owner."""
    return await service.create(caller, new, idempotency_key)


@router.get("/{space_id}", summary="Read a space")
async def read(space_id: UUID, caller: Caller, service: Service) -> Space:
    """One space and the caller's role in it."""
    return await service.read(caller, space_id)


@router.patch("/{space_id}", summary="Rename a space")
async def rename(space_id: UUID, change: schemas.SpaceChange, caller: Caller, service: Service) -> Space:
    """Owners only."""
    return await service.rename(caller, space_id, change.name)


@router.delete("/{space_id}", status_code=204, summary="Delete a shared space")
async def delete(space_id: UUID, caller: Caller, service: Service) -> None:
    """Owners only. Everything in it goes: entries at once, their vectors and files within moments."""
    await service.delete(caller, space_id)


@router.get("/{space_id}/members", summary="List a space's members")
async def members(
    space_id: UUID, caller: Caller, service: Service, page_size: PageSize = 100, page_token: PageToken = None
) -> schemas.MemberPage:
    """In the order in which they came."""
    return await service.members(caller, space_id, page_size, page_token)


@router.post("/{space_id}/members", status_code=201, summary="Add a member")
async def add_member(
    space_id: UUID,
    new: schemas.NewMember,
    caller: Caller,
    service: Service,
    idempotency_key: IdempotencyKey = None,
) -> Member:
    """Owners only. The person needs an account here."""
    return await service.add_member(caller, space_id, new, idempotency_key)


@router.patch("/{space_id}/members/{user_id}", summary="Change a member's role")
async def change_role(
    space_id: UUID, user_id: UUID, change: schemas.MemberChange, caller: Caller, service: Service
) -> Member:
    """Owners only; the last owner stays one."""
    return await service.change_role(caller, space_id, user_id, change.role)


@router.delete("/{space_id}/members/{user_id}", status_code=204, summary="Remove a member, or leave")
async def remove_member(space_id: UUID, user_id: UUID, caller: Caller, service: Service) -> None:
    """Owners remove anybody, others only themselves; the last owner stays."""
    await service.remove_member(caller, space_id, user_id)
