"""`/api/v1/people`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from shared.contracts.identity import Person
from shared.http.idempotency import IdempotencyKey

from api.http.caller import Caller
from api.http.services import provided
from api.people import schemas
from api.people.service import PersonService

router = APIRouter(prefix="/api/v1/people", tags=["people"])
Service = Annotated[PersonService, Depends(provided(PersonService))]


@router.get("", summary="List people")
async def page(
    caller: Caller,
    service: Service,
    space_id: UUID | None = None,
    page_size: Annotated[int, Query(ge=1, le=200)] = 100,
    page_token: Annotated[str | None, Query(max_length=1000)] = None,
) -> schemas.PersonPage:
    """By name; of one space, or of all the caller's."""
    return await service.page(caller, space_id, page_size, page_token)


@router.post("", status_code=201, summary="Add a person")
async def create(
    new: schemas.NewPerson, caller: Caller, service: Service, idempotency_key: IdempotencyKey = None
) -> Person:
    """In the personal space unless another one is named."""
    return await service.create(caller, new, idempotency_key)


@router.get("/{person_id}", summary="Read a person")
async def read(person_id: UUID, caller: Caller, service: Service) -> Person:
    """Somebody entries are about."""
    return await service.read(caller, person_id)


@router.patch("/{person_id}", summary="Change a person")
async def change(person_id: UUID, wanted: schemas.PersonChange, caller: Caller, service: Service) -> Person:
    """What is left out stays; a null removes."""
    return await service.change(caller, person_id, wanted)


@router.delete("/{person_id}", status_code=204, summary="Delete a person")
async def delete(person_id: UUID, caller: Caller, service: Service) -> None:
    """Entries about them stay, about nobody."""
    await service.delete(caller, person_id)
