"""`image`: classical image processing with Pillow, on any machine.

The picture is turned as its EXIF says, and leaves without any metadata; colours of another profile are brought to sRGB first. Transparency is kept
where the format has it. Of an animated picture the first frame is taken. GIF, BMP and TIFF come back as PNG unless another format is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageFilter, ImageOps
from shared.contracts.runners import ImageParams

from worker.runners.geometry import Placement, SizeRefused, padded, resized, upscaled
from worker.runners.parameters import validated
from worker.runners.pictures import opened
from worker.runners.protocol import Progress, RunFailed, RunRequest, RunResult

if TYPE_CHECKING:
    from pathlib import Path

_FORMATS = {
    "jpeg": ("JPEG", "image/jpeg", ".jpg"),
    "png": ("PNG", "image/png", ".png"),
    "webp": ("WEBP", "image/webp", ".webp"),
}
_SAME = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp"}
_WEBP_SIDE = 16_383
_TIME_LIMIT_S = 15 * 60.0


class ImageRunner:
    """See `Runner`."""

    name = "image"

    def time_limit_s(self, request: RunRequest) -> float | None:
        """No picture within the limits takes longer."""
        _params(request)
        return _TIME_LIMIT_S

    def run(self, request: RunRequest, progress: Progress) -> RunResult:
        """See `Runner`."""
        params = _params(request)
        if request.input is None:
            raise RunFailed("no_input", "The image runner needs a picture as its input.")
        picture, came_as = opened(request.input)
        progress(0.2)
        try:
            made = _OPERATIONS[params.operation](picture, params)
        except SizeRefused as refused:
            raise RunFailed("output_too_large", str(refused)) from refused
        progress(0.7)
        name = params.format if params.format != "same" else _SAME.get(came_as, "png")
        kind, content_type, extension = _FORMATS[name]
        _save(made, request.output, kind, params)
        progress(1)
        metrics = {"width": made.width, "height": made.height, "operation": params.operation}
        return RunResult(request.output, content_type, extension, dict(metrics))


def _params(request: RunRequest) -> ImageParams:
    params = validated(ImageParams, request.params)
    if params.operation == "resize" and params.width is None and params.height is None:
        raise RunFailed("invalid_params", "resize needs a width or a height.")
    return params


def _upscale(image: Image.Image, params: ImageParams) -> Image.Image:
    larger = image.resize(upscaled(image.size, params.scale), Image.Resampling.LANCZOS)
    # What interpolation softens grows with the scale.
    return larger.filter(ImageFilter.UnsharpMask(radius=max(1.0, params.scale * 0.6), percent=60, threshold=2))


def _restore(image: Image.Image, params: ImageParams) -> Image.Image:
    """Noise out by a median, contrast back by stretching it; each as strongly as `strength`, in which 0 leaves the picture as it is."""
    if params.strength == 0:
        return image
    colours = image.convert("L" if image.mode in {"L", "LA"} else "RGB")
    calm = Image.blend(colours, colours.filter(ImageFilter.MedianFilter(3)), params.strength)
    vivid = ImageOps.autocontrast(calm, cutoff=params.strength, preserve_tone=True)
    restored = Image.blend(calm, vivid, params.strength)
    if image.mode in {"LA", "RGBA"}:
        restored.putalpha(image.getchannel("A"))
    return restored


def _grayscale(image: Image.Image, _: ImageParams) -> Image.Image:
    return image.convert("LA" if "A" in image.getbands() else "L")


def _resize(image: Image.Image, params: ImageParams) -> Image.Image:
    return _placed(image, resized(image.size, params.width, params.height, params.fit), None)


def _pad(image: Image.Image, params: ImageParams) -> Image.Image:
    return _placed(image, padded(image.size, params.width, params.height), params.color)


def _placed(image: Image.Image, placement: Placement, color: str | None) -> Image.Image:
    scaled = image if image.size == placement.scaled else image.resize(placement.scaled, Image.Resampling.LANCZOS)
    if placement.canvas == placement.scaled and color is None:
        return scaled
    if color is None:
        left, top = -placement.offset[0], -placement.offset[1]
        return scaled.crop((left, top, left + placement.canvas[0], top + placement.canvas[1]))
    colours = scaled.convert("RGBA" if "A" in scaled.getbands() else "RGB")
    canvas = Image.new(colours.mode, placement.canvas, color)
    # Pasted with its own transparency untouched: what surrounds the picture is coloured, not what shows through it.
    canvas.paste(colours, placement.offset)
    return canvas


_OPERATIONS = {"upscale": _upscale, "restore": _restore, "grayscale": _grayscale, "resize": _resize, "pad": _pad}


def _save(image: Image.Image, path: Path, kind: str, params: ImageParams) -> None:
    if kind == "WEBP" and max(image.size) > _WEBP_SIDE:
        raise RunFailed("output_too_large", f"A WebP picture has at most {_WEBP_SIDE} pixels a side.")
    if kind == "JPEG" and "A" in image.getbands():
        image = _flattened(image, params.color)
    # A new picture from the pixels alone: no description, place or camera travels along.
    bare = Image.frombytes(image.mode, image.size, image.tobytes())
    match kind:
        case "JPEG":
            bare.save(path, kind, quality=params.quality, optimize=True, progressive=True)
        case "WEBP":
            bare.save(path, kind, quality=params.quality, method=4)
        case _:
            bare.save(path, kind)


def _flattened(image: Image.Image, color: str) -> Image.Image:
    """On the colour, since JPEG knows no transparency; gray stays gray where the colour is."""
    ground = Image.new("RGBA", image.size, color)
    flat = Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    red, green, blue = flat.split()
    gray = (
        image.mode == "LA"
        and not ImageChops.difference(red, green).getbbox()
        and not ImageChops.difference(red, blue).getbbox()
    )
    return red if gray else flat
