"""Audio: how long it is and what its container says. The words come from a transcriber, where one is configured."""

from dataclasses import dataclass
from typing import BinaryIO

from ingest.parse.errors import FileBroken
from ingest.parse.tidy import tidy_title

_LONGEST_S = 48 * 3600


@dataclass(frozen=True, slots=True)
class AudioDetails:
    """What is known of a recording without listening; None where the container does not say."""

    duration_s: float | None
    title: str | None = None
    artist: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    bitrate_kbps: float | None = None


def read_audio(file: BinaryIO, suffix: str) -> AudioDetails:
    """The container's facts. `suffix` (`.m4a`) chooses the reader when the first bytes do not."""
    from tinytag import TinyTag, TinyTagException, UnsupportedFormatError

    try:
        tag = TinyTag.get(filename=f"recording{suffix}", file_obj=file, tags=True, image=False)
    except UnsupportedFormatError:
        # WebM and bare AAC streams are taken, but their length can only be told by decoding them.
        return AudioDetails(duration_s=None)
    except TinyTagException as broken:
        raise FileBroken from broken
    duration = tag.duration if tag.duration and 0 < tag.duration < _LONGEST_S else None
    return AudioDetails(
        duration_s=round(duration, 3) if duration else None,
        title=tidy_title(tag.title),
        artist=tidy_title(tag.artist),
        sample_rate=tag.samplerate,
        channels=tag.channels,
        bitrate_kbps=round(tag.bitrate, 1) if tag.bitrate else None,
    )
