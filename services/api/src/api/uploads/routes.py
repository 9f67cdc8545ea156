"""`/api/v1/uploads`."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import RedirectResponse
from shared.http.idempotency import IdempotencyKey

from api.http.caller import Caller
from api.http.services import provided
from api.uploads.schemas import NewUpload, Upload, UploadTicket
from api.uploads.service import UploadService

router = APIRouter(prefix="/api/v1/uploads", tags=["uploads"])
Service = Annotated[UploadService, Depends(provided(UploadService))]
_REDIRECT: dict[str, Any] = {
    "status_code": 302,
    "response_class": RedirectResponse,
    "responses": {302: {"description": "To an address that is good for some minutes"}},
}


@router.post("", status_code=201, summary="Begin an upload")
async def begin(
    new: NewUpload, caller: Caller, service: Service, idempotency_key: IdempotencyKey = None
) -> UploadTicket:
    """Says where to put a file: PUT it there with exactly these headers, then complete the upload."""
    return await service.begin(caller, new, idempotency_key)


@router.post("/{upload_id}/complete", summary="Complete an upload")
async def complete(upload_id: UUID, caller: Caller, service: Service) -> Upload:
    """Checks size, type, first bytes and hash of what came. A mismatch is 422, and nothing remains."""
    return await service.complete(caller, upload_id)


@router.get("/{upload_id}", summary="Read an upload")
async def read(upload_id: UUID, caller: Caller, service: Service) -> Upload:
    """What is known of a file."""
    return await service.read(caller, upload_id)


@router.get("/{upload_id}/content", summary="Read the file", **_REDIRECT)
async def content(upload_id: UUID, caller: Caller, service: Service) -> RedirectResponse:
    """The file as it is kept."""
    return RedirectResponse(await service.content_address(caller, upload_id), 302)


@router.get("/{upload_id}/thumbnail", summary="See a small picture of the file", **_REDIRECT)
async def thumbnail(upload_id: UUID, caller: Caller, service: Service) -> RedirectResponse:
    """At most 512 pixels wide or high."""
    return RedirectResponse(await service.picture_address(caller, upload_id, "thumbnail_key"), 302)


@router.get("/{upload_id}/display", summary="See a picture of the file for the screen", **_REDIRECT)
async def display(upload_id: UUID, caller: Caller, service: Service) -> RedirectResponse:
    """At most 2048 pixels wide or high, without metadata."""
    return RedirectResponse(await service.picture_address(caller, upload_id, "display_key"), 302)


@router.delete("/{upload_id}", status_code=204, summary="Take an upload back")
async def remove(upload_id: UUID, caller: Caller, service: Service) -> None:
    """One that belongs to no entry, completed or not."""
    await service.remove(caller, upload_id)
