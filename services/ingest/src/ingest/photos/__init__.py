"""Photos: facts, pictures for the screen, and a stored file that does not tell where it was taken."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.storage.keys import display_key, thumbnail_key

from ingest.photos.exif import Place
from ingest.photos.photo import Photo, photo_from
from ingest.sandbox_limits import SandboxLimits

if TYPE_CHECKING:
    from pathlib import Path

    from shared.storage import ObjectStore

    from ingest.sandbox import Sandbox

__all__ = ["Photo", "Place", "SavedPhoto", "read_photo", "save_photo"]

_LIMITS = SandboxLimits(memory_mib=900, cpu_s=30, wall_s=60, result_mib=160, threads=True)
_RENDITION_TYPE = "image/webp"


@dataclass(frozen=True, slots=True)
class SavedPhoto:
    """Where the pictures are now; size, hash and type are None while the original is as it was uploaded."""

    thumbnail_key: str
    display_key: str
    size: int | None = None
    sha256: str | None = None
    content_type: str | None = None


async def read_photo(sandbox: Sandbox, path: Path, content_type: str, *, keep_location: bool = False) -> Photo:
    """Look at a photo in the sandbox. Raises `FileRefused` or `FileOversized`."""
    options = {"content_type": content_type, "keep_location": keep_location}
    return photo_from(await sandbox.run("photo", path, options, _LIMITS), content_type)


async def save_photo(store: ObjectStore, object_key: str, photo: Photo) -> SavedPhoto:
    """Put the pictures beside the original, and the file without the place in its stead. A second call changes nothing."""
    await store.put(thumbnail_key(object_key), photo.thumbnail, _RENDITION_TYPE)
    await store.put(display_key(object_key), photo.display, _RENDITION_TYPE)
    keys = thumbnail_key(object_key), display_key(object_key)
    if photo.original is None:
        return SavedPhoto(*keys)
    await store.put(object_key, photo.original, photo.original_type)
    digest = hashlib.sha256(photo.original).hexdigest()
    return SavedPhoto(*keys, size=len(photo.original), sha256=digest, content_type=photo.original_type)
