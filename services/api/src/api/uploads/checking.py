"""Whether what came is what was announced."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from shared.storage.media import HEAD_BYTES, looks_like, media_type

from api.uploads.errors import UploadHashMismatch, UploadSizeMismatch, UploadTypeMismatch

if TYPE_CHECKING:
    from shared.db import Record
    from shared.storage import ObjectInfo, ObjectStore


async def check(storage: ObjectStore, upload: Record, info: ObjectInfo) -> str:
    """The SHA-256 (hex) of the stored file. Raises `UploadMismatch` in one of its kinds."""
    if info.size != upload["size"]:
        raise UploadSizeMismatch(
            f"{info.size} bytes came, {upload['size']} were announced. Nothing was kept; upload the file again."
        )
    media = media_type(upload["content_type"], upload["filename"])
    head = b"".join([piece async for piece in storage.read(upload["object_key"], 0, HEAD_BYTES)])
    if media is None or not looks_like(media, head):
        raise UploadTypeMismatch
    digest = info.sha256 or await _digest(storage, upload["object_key"])
    if upload["sha256"] is not None and upload["sha256"] != digest:
        raise UploadHashMismatch
    return digest


async def _digest(storage: ObjectStore, key: str) -> str:
    digest = hashlib.sha256()
    async for piece in storage.read(key):
        digest.update(piece)
    return digest.hexdigest()
