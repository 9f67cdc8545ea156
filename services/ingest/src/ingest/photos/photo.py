"""One photo, from its file: facts, pictures for the screen, and a file without the place. `examine` runs in the sandbox."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from ingest.parse.errors import FileBroken, FileOversized
from ingest.photos import exif as facts_of
from ingest.photos.location import MetadataUnreadable, without_location
from ingest.photos.picture import open_picture, reencode, render, upright_size
from ingest.sandbox_wire import Output

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PHOTO_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Photo:
    """What a photo shows and says. `original` replaces the stored file where the place had to be taken out of it."""

    width: int
    height: int
    taken_at: datetime | None
    camera: str | None
    location: facts_of.Place | None
    thumbnail: bytes
    display: bytes
    original: bytes | None
    original_type: str

    def meta(self) -> dict[str, Any]:
        """The facts, as they are kept beside the file. `taken_at` without an offset is the time on the wall."""
        facts = {
            "width": self.width,
            "height": self.height,
            "taken_at": self.taken_at.isoformat() if self.taken_at else None,
            "camera": self.camera,
            "location": [self.location.latitude, self.location.longitude] if self.location else None,
        }
        return {name: fact for name, fact in facts.items() if fact is not None}


def examine(file: BinaryIO, content_type: str, *, keep_location: bool) -> Output:
    """Facts first, then pictures, then the file without the place, unless that is to be kept."""
    data = file.read(MAX_PHOTO_BYTES + 1)
    if len(data) > MAX_PHOTO_BYTES:
        raise FileOversized(f"The photo is larger than {MAX_PHOTO_BYTES // 2**20} MB. Save it smaller and upload that.")
    picture = open_picture(io.BytesIO(data), content_type)
    exif = picture.getexif()
    width, height = upright_size(picture)
    moment = facts_of.taken_at(exif)
    place = facts_of.place_of(exif) if keep_location else None
    raw_exif = picture.info.get("exif")
    pictures = render(picture)
    original, original_type = (data, content_type) if keep_location else _located_nowhere(data, content_type, raw_exif)
    changed = original != data
    return Output(
        {
            "width": width,
            "height": height,
            "taken_at": moment.isoformat() if moment else None,
            "camera": facts_of.camera_of(exif),
            "location": [place.latitude, place.longitude] if place else None,
            "original_type": original_type,
            "changed": changed,
        },
        [pictures.thumbnail, pictures.display, *([original] if changed else [])],
    )


def photo_from(output: Output, content_type: str) -> Photo:
    """What the sandbox found, with every value checked: it comes from a process that has read a stranger's file."""
    facts = output.facts
    try:
        thumbnail, display, *rest = output.blobs
        location = facts["location"]
        place = facts_of.Place(float(location[0]), float(location[1])) if location else None
        if "\0" in str(facts["camera"]) or (place and not (abs(place.latitude) <= 90 and abs(place.longitude) <= 180)):
            raise FileBroken
        return Photo(
            width=int(facts["width"]),
            height=int(facts["height"]),
            taken_at=datetime.fromisoformat(facts["taken_at"]) if facts["taken_at"] else None,
            camera=str(facts["camera"]) if facts["camera"] else None,
            location=place,
            thumbnail=thumbnail,
            display=display,
            original=rest[0] if facts["changed"] else None,
            original_type=str(facts["original_type"]) if facts["changed"] else content_type,
        )
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as unexpected:
        raise FileBroken from unexpected


def _located_nowhere(data: bytes, content_type: str, raw_exif: bytes | None) -> tuple[bytes, str]:
    try:
        scrubbed = without_location(data, raw_exif)
        if not _tells_place(open_picture(io.BytesIO(scrubbed), content_type)):
            return scrubbed, content_type
    except (MetadataUnreadable, FileBroken):
        pass
    return reencode(open_picture(io.BytesIO(data), content_type), content_type)


def _tells_place(picture: Image) -> bool:
    xmp = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or b""
    text = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return facts_of.has_gps(picture.getexif()) or b":GPSLatitude" in text or b":GPSLongitude" in text
