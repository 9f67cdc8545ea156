"""How a browser is told to treat a stored file. Pure."""

import re
from urllib.parse import quote

# Types that a browser shows without running anything; all else is only ever saved, however it was uploaded.
_SHOWN = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/gif",
        "image/avif",
        "image/heic",
        "audio/mpeg",
        "audio/mp4",
        "audio/aac",
        "audio/ogg",
        "audio/wav",
        "audio/webm",
        "audio/flac",
    }
)
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f"\\/:*?<>|\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]')
_MAX_NAME = 120


def safe_filename(name: str) -> str:
    """A file name without path, control characters and direction overrides; `file` when nothing is left."""
    cleaned = _UNSAFE.sub("_", name).strip(" .")
    if len(cleaned) > _MAX_NAME:
        stem, dot, extension = cleaned.rpartition(".")
        tail = dot + extension if stem and len(extension) <= 10 else ""
        cleaned = cleaned[: _MAX_NAME - len(tail)].rstrip(" .") + tail
    return cleaned or "file"


def content_disposition(content_type: str | None, filename: str | None) -> str:
    """The value of `Content-Disposition` (RFC 6266), with the name in UTF-8 where there is one."""
    kind = "inline" if content_type in _SHOWN else "attachment"
    if filename is None:
        return kind
    name = safe_filename(filename)
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    plain = re.sub(r"[^ -~]|%", "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
