"""`/api/v1/uploads`."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import RedirectResponse
from shared.http.idempotency import IdempotencyKey
from shared.storage.media import Kind

from api.http.caller import Caller
from api.http.services import provided
from api.http.values import Moment, PlainText, Until
from api.uploads.schemas import NewUpload, Upload, UploadFilter, UploadPage, UploadParts, UploadTicket
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
    """Says where to put a file: PUT it there with exactly these headers, then complete the upload.

    With `multipart`, a large one may come in parts.
    """
    return await service.begin(caller, new, idempotency_key)


def _wanted(
    kind: Kind | None = None,
    status: Literal["pending", "ready"] = "ready",
    content_type: Annotated[PlainText | None, Query(max_length=150)] = None,
    space_id: UUID | None = None,
    since: Annotated[Moment | None, Query(alias="from", description="Uploaded then or later")] = None,
    until: Annotated[
        Until | None, Query(alias="to", description="Uploaded before; a bare date includes that day")
    ] = None,
    query: Annotated[PlainText | None, Query(max_length=200, description="A part of the file's name")] = None,
) -> UploadFilter:
    return UploadFilter(
        kind=kind,
        status=status,
        content_type=content_type or None,
        space_id=space_id,
        since=since,
        until=until,
        query=query or None,
    )


@router.get("", summary="List files, the newest first")
async def page(
    caller: Caller,
    service: Service,
    wanted: Annotated[UploadFilter, Depends(_wanted)],
    page_size: Annotated[int, Query(ge=1, le=500)] = 50,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
) -> UploadPage:
    """Completed files of every space the caller reads, narrowed by the filters; `status=pending` lists those that are not completed."""
    return await service.page(caller, wanted, page_size, page_token)


@router.post("/{upload_id}/complete", summary="Complete an upload")
async def complete(upload_id: UUID, caller: Caller, service: Service) -> Upload:
    """Checks size, type, first bytes and hash of what came. A mismatch is 422, and nothing remains."""
    return await service.complete(caller, upload_id)


@router.get("/{upload_id}/parts", summary="Ask which parts have come")
async def parts(
    upload_id: UUID,
    caller: Caller,
    service: Service,
    after: Annotated[int, Query(ge=0, le=10_000, description="Addresses of parts after this one")] = 0,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> UploadParts:
    """For an upload in parts that was interrupted: what has come, and fresh addresses of what has not."""
    return await service.parts(caller, upload_id, after, page_size)


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
    """One that belongs to no entry and that no task is still to read, completed or not."""
    await service.remove(caller, upload_id)
