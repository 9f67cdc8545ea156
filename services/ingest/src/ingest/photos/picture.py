"""Pictures from pictures: upright, small, and with nothing in them but pixels. Runs in the sandbox."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from ingest.parse.errors import FileBroken, FileOversized

if TYPE_CHECKING:
    from PIL.Image import Image

# A phone's 200-megapixel JPEG is decoded at a fraction of its size; every other format is decoded whole.
MAX_PIXELS_JPEG = 210_000_000
MAX_PIXELS = 64_000_000
MAX_SIDE = 30_000
DISPLAY_SIDE = 2_048
THUMBNAIL_SIDE = 512
_FORMATS = {
    "image/jpeg": ("JPEG", "MPO"),
    "image/png": ("PNG",),
    "image/webp": ("WEBP",),
    "image/gif": ("GIF",),
    "image/avif": ("AVIF",),
    "image/heic": ("HEIF",),
}
_SWAPPING = frozenset({5, 6, 7, 8})
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Renditions:
    """WebP, upright, sRGB, without metadata."""

    thumbnail: bytes
    display: bytes


def prepare_pillow() -> None:
    """Load every codec and keep each to one thread: a sandboxed child can neither open a module nor start a thread."""
    import pillow_heif
    from PIL import AvifImagePlugin, Image, ImageCms, ImageOps

    pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.init()
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS_JPEG
    ImageCms.createProfile("sRGB")
    ImageOps.exif_transpose(Image.new("RGB", (1, 1)))


def open_picture(file: BinaryIO, content_type: str) -> Image:
    """The picture, not yet decoded, once its size is known to be bearable."""
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(file, formats=_FORMATS[content_type])
    except UnidentifiedImageError as unknown:
        raise FileBroken("The photo is damaged. Save it again, or take another copy, and upload that.") from unknown
    except Image.DecompressionBombError as bomb:
        raise FileOversized(
            "The photo has more pixels than can be shown here. Save it smaller and upload that."
        ) from bomb
    width, height = picture.size
    most = MAX_PIXELS_JPEG if content_type == "image/jpeg" else MAX_PIXELS
    if width * height > most or max(width, height) > MAX_SIDE:
        raise FileOversized(
            f"The photo has {width} × {height} pixels; at most {most // 1_000_000} million can be shown here. Save it smaller."
        )
    return picture


def upright_size(picture: Image) -> tuple[int, int]:
    """Width and height as a person sees it."""
    width, height = picture.size
    return (height, width) if picture.getexif().get(_ORIENTATION) in _SWAPPING else (width, height)


def render(picture: Image) -> Renditions:
    """The pictures for the screen. Decodes; raises `FileBroken` for one that breaks off."""
    from PIL import ImageOps

    try:
        # JPEG decodes at a half, a quarter or an eighth for a fraction of the time and memory.
        picture.draft("RGB", (DISPLAY_SIDE, DISPLAY_SIDE))
        picture.load()
    except (OSError, SyntaxError, ValueError) as broken:
        raise FileBroken(
            "The photo is damaged: it breaks off. Save it again, or take another copy, and upload that."
        ) from broken
    display = _srgb(picture)
    display.thumbnail((DISPLAY_SIDE, DISPLAY_SIDE))
    display = ImageOps.exif_transpose(display) if display.getexif().get(_ORIENTATION, 1) != 1 else display
    small = display.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return Renditions(thumbnail=_webp(small, 78), display=_webp(display, 82))


def reencode(picture: Image, content_type: str) -> tuple[bytes, str]:
    """A new file from the pixels alone, for when the place cannot be taken out of the old one. HEIC and AVIF become JPEG."""
    from PIL import ImageOps

    clean = ImageOps.exif_transpose(_srgb(picture))
    out = io.BytesIO()
    match content_type:
        case "image/png" | "image/gif":
            clean.save(out, "PNG")
            return out.getvalue(), "image/png"
        case "image/webp":
            _bare(clean).save(out, "WEBP", quality=92)
            return out.getvalue(), content_type
        case _:
            _bare(clean.convert("RGB")).save(out, "JPEG", quality=92)
            return out.getvalue(), "image/jpeg"


def _webp(picture: Image, quality: int) -> bytes:
    out = io.BytesIO()
    _bare(picture).save(out, "WEBP", quality=quality, method=2)
    return out.getvalue()


def _bare(picture: Image) -> Image:
    """The pixels alone: whatever Pillow would carry over from the original is dropped."""
    picture.info = {}
    picture.getexif().clear()
    return picture


def _srgb(picture: Image) -> Image:
    """In sRGB, with transparency where there is any. A profile that cannot be read is ignored, as browsers do."""
    from PIL import ImageCms

    has_alpha = picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
    profile = picture.info.get("icc_profile")
    exif = picture.getexif()
    if profile and picture.mode in {"RGB", "CMYK", "L"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None
        if converted is not None:
            converted.info["exif"] = exif.tobytes()
            return converted
    return picture.convert("RGBA" if has_alpha else "RGB")
