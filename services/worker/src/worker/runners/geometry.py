"""Sizes and boxes of pictures, pure. Sizes are (width, height) in pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Size = tuple[int, int]
Fit = Literal["contain", "cover", "stretch"]

MAX_SIDE = 16_384
MAX_PIXELS = 120_000_000


class SizeRefused(Exception):
    """The picture would be larger than this worker makes."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The picture scaled to `scaled`, then laid on a canvas at `offset`; what lies beyond the canvas is cut off."""

    scaled: Size
    canvas: Size
    offset: tuple[int, int]


def upscaled(size: Size, scale: float) -> Size:
    """Each side `scale` times as long, and at least one pixel. Raises `SizeRefused`."""
    return checked((_at_least_one(size[0] * scale), _at_least_one(size[1] * scale)))


def resized(size: Size, width: int | None, height: int | None, fit: Fit) -> Placement:
    """Fitted into the size: `contain` keeps all of the picture, `cover` fills all of the size, `stretch` changes the proportions.

    With one side alone the other follows the picture's proportions, whatever the fit. Raises `SizeRefused`.
    """
    if width is None or height is None:
        return _whole(checked(_proportional(size, width, height)))
    if fit == "stretch":
        return _whole(checked((width, height)))
    if fit == "contain":
        return _whole(checked(_contained(size, (width, height))))
    factor = max(width / size[0], height / size[1])
    # Rounding must not leave an uncovered line.
    scaled = checked((max(width, round(size[0] * factor)), max(height, round(size[1] * factor))))
    return Placement(scaled, (width, height), (-((scaled[0] - width) // 2), -((scaled[1] - height) // 2)))


def padded(size: Size, width: int | None, height: int | None) -> Placement:
    """The whole picture in the middle of a canvas; made smaller where it does not fit, never larger.

    A side that is not given is the picture's own; with neither, the canvas is a square. Raises `SizeRefused`.
    """
    square = max(size) if width is None and height is None else None
    canvas = checked((width or square or size[0], height or square or size[1]))
    fits = size[0] <= canvas[0] and size[1] <= canvas[1]
    scaled = size if fits else _contained(size, canvas)
    return Placement(scaled, canvas, ((canvas[0] - scaled[0]) // 2, (canvas[1] - scaled[1]) // 2))


def checked(size: Size) -> Size:
    """The size, if this worker makes pictures that large."""
    if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
        raise SizeRefused(
            f"The picture would be {size[0]} × {size[1]} pixels; at most {MAX_SIDE} a side and {MAX_PIXELS} in all are made."
        )
    return size


def _whole(size: Size) -> Placement:
    return Placement(size, size, (0, 0))


def _contained(size: Size, box: Size) -> Size:
    factor = min(box[0] / size[0], box[1] / size[1])
    return min(box[0], _at_least_one(size[0] * factor)), min(box[1], _at_least_one(size[1] * factor))


def _proportional(size: Size, width: int | None, height: int | None) -> Size:
    if width is not None:
        return width, _at_least_one(size[1] * width / size[0])
    if height is not None:
        return _at_least_one(size[0] * height / size[1]), height
    raise ValueError("a width or a height is needed")


def _at_least_one(length: float) -> int:
    return max(1, round(length))


def within_area(size: Size, area: int, multiple: int) -> Size:
    """The proportions of `size` with about `area` pixels, each side a multiple of `multiple`."""
    factor = (area / (size[0] * size[1])) ** 0.5
    width, height = (max(1, round(side * factor / multiple)) * multiple for side in size)
    return width, height
