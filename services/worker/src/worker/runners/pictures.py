"""Reading pictures that strangers made."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, cast

from PIL import Image, ImageCms, ImageOps

from worker.runners.geometry import MAX_PIXELS
from worker.runners.protocol import RunFailed

if TYPE_CHECKING:
    from pathlib import Path

READABLE = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def opened(path: Path) -> tuple[Image.Image, str]:
    """The first frame, upright, as L, LA, RGB or RGBA in sRGB; and the format it came in."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=READABLE)
        with image:
            _refuse_bomb(image)
            image.load()
            return in_srgb(ImageOps.exif_transpose(image)), image.format or ""
    except RunFailed:
        raise
    except Image.DecompressionBombError as error:
        raise RunFailed("input_too_large", "The picture unpacks to more pixels than are taken.") from error
    except Exception as error:  # Pillow's readers raise whatever a broken file leads them to
        known = ", ".join(READABLE)
        raise RunFailed("input_unreadable", f"The input is no picture that can be read ({known}).") from error


def _refuse_bomb(image: Image.Image) -> None:
    """The header alone tells the size: nothing has been unpacked yet."""
    if image.width * image.height > MAX_PIXELS:
        size = f"{image.width} × {image.height}"
        raise RunFailed("input_too_large", f"The picture has {size} pixels; at most {MAX_PIXELS} are taken.")


def in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        return _eight_bits(image)
    transparent = "A" in image.getbands() or "transparency" in image.info
    if image.mode in {"L", "LA", "1"} and not profile:
        return image.convert("LA" if transparent else "L")
    if profile and image.mode in {"RGB", "CMYK"}:
        image = _converted(image, cast("bytes", profile))
    return image.convert("RGBA" if transparent else "RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16 bits a pixel to 8; other depths by their own range."""
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 256).convert("L")
    low, high = cast("tuple[float, float]", image.getextrema())
    if image.mode == "I" and low >= 0 and high <= 65_535:
        return image.point(lambda value: value / 256).convert("L")
    scale = 255 / (high - low) if high > low else 1.0
    return image.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A broken profile says nothing; the picture is taken as it is.
        return image
