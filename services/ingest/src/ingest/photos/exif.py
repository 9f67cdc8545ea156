"""When and where a photo says it was taken. Pure, but for Pillow's container of EXIF."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ingest.parse.tidy import tidy_title

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Exif

_EXIF_IFD = 0x8769
_GPS_IFD = 0x8825
_MAKE, _MODEL = 0x010F, 0x0110
# Taken, digitised, changed: the time and the offset from UTC, in the order in which they are believed.
_TIMES = ((0x9003, 0x9011), (0x9004, 0x9012), (0x0132, 0x9010))
_TIME = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
_YEARS = range(1826, 2200)


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, WGS 84."""

    latitude: float
    longitude: float


def taken_at(exif: Exif) -> datetime | None:
    """When it was taken: with an offset where the camera wrote one, else as the clock on the wall showed (naive)."""
    inner = exif.get_ifd(_EXIF_IFD)
    for time_tag, offset_tag in _TIMES:
        moment = _moment(inner.get(time_tag) or exif.get(time_tag))
        if moment is not None:
            offset = _offset(inner.get(offset_tag) or exif.get(offset_tag))
            return moment.replace(tzinfo=offset)
    return None


def place_of(exif: Exif) -> Place | None:
    """Where it was taken, if it says so."""
    gps = exif.get_ifd(_GPS_IFD)
    latitude, longitude = _degrees(gps, 1, 2, "S"), _degrees(gps, 3, 4, "W")
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return Place(latitude, longitude)


def has_gps(exif: Exif) -> bool:
    """Whether there is any GPS field at all."""
    return bool(exif.get_ifd(_GPS_IFD))


def camera_of(exif: Exif) -> str | None:
    """Maker and model on one line."""
    make, model = (str(exif.get(tag) or "").replace("\0", "").strip() for tag in (_MAKE, _MODEL))
    return tidy_title(model if model.startswith(make) else f"{make} {model}")


def _moment(value: Any) -> datetime | None:
    found = _TIME.match(value) if isinstance(value, str) else None
    if not found:
        return None
    year, *rest = (int(part) for part in found.groups())
    try:
        # The zone is added by whoever knows it.
        return datetime(year, *rest) if year in _YEARS else None  # type: ignore[arg-type] # noqa: DTZ001 - five numbers
    except ValueError:
        return None


def _offset(value: Any) -> timezone | None:
    found = _OFFSET.match(value) if isinstance(value, str) else None
    if not found:
        return None
    sign, hours, minutes = found[1], int(found[2]), int(found[3])
    if hours > 14 or minutes > 59:
        return None
    return timezone((-1 if sign == "-" else 1) * timedelta(hours=hours, minutes=minutes))


def _degrees(gps: Mapping[int, Any], reference: int, value: int, negative: str) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in gps[value])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    whole = degrees + minutes / 60 + seconds / 3600
    return round(-whole if gps.get(reference) == negative else whole, 6)
