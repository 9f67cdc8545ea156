"""Which files an entry may take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from api.entries import store
from api.entries.errors import UploadAttachedElsewhere, UploadNotFound, UploadNotReady, UploadTypeUnfit

if TYPE_CHECKING:
    from shared.db import Connection

_PREFIXES = {"photo": ("image/",), "audio": ("audio/",), "document": ("text/", "application/")}
_NEEDS = {
    "photo": "A photo needs at least one image (JPEG, PNG, WebP, HEIC, GIF) in `uploads`.",
    "audio": "An audio entry needs at least one sound file in `uploads`.",
    "document": "A document needs at least one PDF, DOCX, Markdown, HTML or text file in `uploads`.",
}


async def check(connection: Connection, kind: str, uploads: Sequence[UUID], space_id: UUID) -> None:
    """Lock the uploads and raise unless all are ready and free, and one is of the entry's kind."""
    if kind != "note" and not uploads:
        raise UploadTypeUnfit(_NEEDS[kind])
    if not uploads:
        return
    rows = await store.lock_uploads(connection, uploads, space_id)
    if len(rows) != len(uploads):
        raise UploadNotFound
    if any(row["status"] != "ready" for row in rows):
        raise UploadNotReady
    if kind != "note" and not any(row["content_type"].startswith(_PREFIXES[kind]) for row in rows):
        raise UploadTypeUnfit(_NEEDS[kind])
    if await store.any_attached(connection, uploads):
        raise UploadAttachedElsewhere
