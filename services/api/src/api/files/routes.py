"""`/files/{key}`: only what a signature allows, streamed in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from shared.storage import BodyDiffers, LinkRefused, ObjectMissing
from shared.storage.disposition import content_disposition
from shared.storage.folder import FolderStore
from starlette.requests import ClientDisconnect

from api.files.ranges import Span, wanted_span
from api.http.services import provided

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from shared.storage import ObjectInfo
    from shared.storage.signing import Grant

router = APIRouter(prefix="/files", tags=["files"])
Store = Annotated[FolderStore, Depends(provided(FolderStore))]

# The signature names the exact size; this is only where the framework's own limit ends.
_MOST_BYTES = 8 * 1024**3
# A stored file is a stranger's: it may run nothing, load nothing and frame nothing, whatever type it claims.
_HARMLESS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "private, max-age=300, immutable",
    "Accept-Ranges": "bytes",
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {"application/octet-stream": {}}},
    206: {"description": "A part of the file", "content": {"application/octet-stream": {}}},
    304: {"description": "The file has not changed"},
}


@router.put("/{key:path}", summary="Put a file", max_body_size=_MOST_BYTES)
async def put(key: str, request: Request, store: Store) -> Response:
    """Stores exactly what the address was given for: this size, this type and, where it was named, this hash; or this part of a file.

    Nothing remains of anything else.
    """
    grant = store.allowed("PUT", key, request.url.query)
    _check_headers(request, grant)
    try:
        info = await store.receive(grant, request.stream())
    except ClientDisconnect as gone:
        raise BodyDiffers(
            "The connection ended before the whole file had come. Nothing was stored; send it again."
        ) from gone
    return Response(status_code=200, headers={"ETag": f'"{info.etag}"'})


@router.get("/{key:path}", summary="Read a file", response_class=StreamingResponse, responses=_FILE)
async def read(key: str, request: Request, store: Store) -> Response:
    """The file, or the part that `Range` asks for."""
    grant = store.allowed("GET", key, request.url.query)
    info = await store.head(key)
    if info is None:
        raise ObjectMissing
    headers = _headers(info, grant)
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    span = wanted_span(request.headers.get("range"), request.headers.get("if-range"), info.size, headers["ETag"])
    headers["Content-Length"] = str(span.length)
    if span.partial:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{info.size}"
    return StreamingResponse(_pieces(store, key, span), 206 if span.partial else 200, headers)


@router.head("/{key:path}", summary="Ask about a file", include_in_schema=False)
async def head(key: str, request: Request, store: Store) -> Response:
    """As reading, without the bytes."""
    grant = store.allowed("GET", key, request.url.query)
    info = await store.head(key)
    if info is None:
        raise ObjectMissing
    return Response(status_code=200, headers={**_headers(info, grant), "Content-Length": str(info.size)})


def _check_headers(request: Request, grant: Grant) -> None:
    # A part has no type of its own: the whole file's was said when its parts were begun.
    if grant.part is None and request.headers.get("content-type", "") != grant.content_type:
        raise LinkRefused(
            f"Send the header `Content-Type: {grant.content_type}`: the address was given for that type alone."
        )
    announced = request.headers.get("content-length")
    if announced is not None and announced != str(grant.size):
        raise LinkRefused(
            f"The address was given for {grant.size} bytes; {announced} were announced. Nothing was stored."
        )


def _headers(info: ObjectInfo, grant: Grant) -> dict[str, str]:
    content_type = grant.content_type or info.content_type
    return {
        **_HARMLESS,
        "Content-Type": content_type,
        "Content-Disposition": content_disposition(content_type, grant.filename),
        "ETag": f'"{info.etag}"',
    }


async def _pieces(store: FolderStore, key: str, span: Span) -> AsyncGenerator[bytes]:
    async for piece in store.read(key, span.start, span.end):
        yield piece
