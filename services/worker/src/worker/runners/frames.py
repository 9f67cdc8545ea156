"""Frames to a video file: MP4 where an encoder is at hand, an animated WebP otherwise."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from PIL import Image

from worker.runners.protocol import RunFailed, RunResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def video(frames: Sequence[Any], output: Path, fps: int) -> RunResult:
    """The frames (pictures, or arrays of numbers from 0 to 1 by height, width and channel) as a file."""
    pictures = [_picture(frame) for frame in frames]
    if not pictures:
        raise RunFailed("no_output", "The pipeline made a video without frames.")
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        path, content_type = _webp(pictures, output, fps), "image/webp"
    else:
        path, content_type = _mp4(pictures, output, fps), "video/mp4"
    size = {"width": pictures[0].width, "height": pictures[0].height}
    return RunResult(path, content_type, path.suffix, {**size, "frames": len(pictures), "fps": fps})


def _picture(frame: Any) -> Image.Image:
    if isinstance(frame, Image.Image):
        return frame.convert("RGB")
    return Image.fromarray((frame.clip(0, 1) * 255).round().astype("uint8")).convert("RGB")


def _mp4(pictures: list[Image.Image], output: Path, fps: int) -> Path:
    writer: Any = importlib.import_module("imageio_ffmpeg").write_frames
    path = output.with_suffix(".mp4")
    # H.264 takes even sides only: an odd last line or column is left out.
    width, height = (max(2, side // 2 * 2) for side in pictures[0].size)
    file = writer(
        str(path),
        (width, height),
        fps=fps,
        codec="libx264",
        pix_fmt_out="yuv420p",
        macro_block_size=1,
        quality=8,
        output_params=["-movflags", "+faststart"],
    )
    file.send(None)
    try:
        for picture in pictures:
            file.send(picture.crop((0, 0, width, height)).tobytes())
    finally:
        file.close()
    return path


def _webp(pictures: list[Image.Image], output: Path, fps: int) -> Path:
    path = output.with_suffix(".webp")
    first, *rest = pictures
    first.save(path, "WEBP", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0, quality=85)
    return path
