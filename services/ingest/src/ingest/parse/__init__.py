"""Documents and recordings, from their files: text with offsets, or facts; or a `FileRefused` with a stable code."""

from __future__ import annotations

from dataclasses import astuple
from math import isfinite
from typing import TYPE_CHECKING

from shared.storage.media import media_type

from ingest.parse.audio import AudioDetails
from ingest.parse.document import ParsedDocument
from ingest.parse.errors import FileBroken, FileTypeUnsupported
from ingest.sandbox_limits import SandboxLimits

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.sandbox import Sandbox
    from ingest.sandbox_wire import Output

__all__ = ["AudioDetails", "ParsedDocument", "parse_document", "read_audio_details"]

_AUDIO_LIMITS = SandboxLimits(memory_mib=256, cpu_s=20, wall_s=30)


async def parse_document(
    sandbox: Sandbox, path: Path, content_type: str, filename: str = "", limits: SandboxLimits | None = None
) -> ParsedDocument:
    """The text of a document, read in the sandbox. Raises `FileRefused` or `FileOversized`."""
    media = media_type(content_type, filename)
    if media is None or media.kind != "document":
        raise FileTypeUnsupported
    return _document(await sandbox.run("document", path, {"content_type": media.name}, limits))


async def read_audio_details(sandbox: Sandbox, path: Path, content_type: str, filename: str = "") -> AudioDetails:
    """What a recording's container says, read in the sandbox. Raises `FileRefused`."""
    media = media_type(content_type, filename)
    if media is None or media.kind != "audio":
        raise FileTypeUnsupported(
            "This type of recording is not taken. Convert it to M4A, MP3, WAV, OGG, WebM or FLAC."
        )
    output = await sandbox.run("audio", path, {"content_type": media.name}, _AUDIO_LIMITS)
    return _audio(output)


def _audio(output: Output) -> AudioDetails:
    """As `_document`."""
    try:
        details = AudioDetails(**output.facts)
        plain = all(_is_plain(value) for value in astuple(details))
    except (TypeError, OverflowError) as unexpected:
        raise FileBroken from unexpected
    if not plain:
        raise FileBroken
    return details


def _is_plain(value: object) -> bool:
    """Whether a database takes it: no number without end, no null character, nothing nested."""
    if isinstance(value, str):
        return "\0" not in value
    return value is None or (isinstance(value, int | float) and isfinite(value))


def _document(output: Output) -> ParsedDocument:
    """What the sandbox found, with every value checked: it comes from a process that has read a stranger's file."""
    facts = output.facts
    try:
        text = output.blobs[0].decode("utf-8")
        pages = tuple((int(start), int(end)) for start, end in facts["pages"])
        meta = {str(name): str(value) for name, value in facts["meta"].items()}
        title, language = facts["title"], facts["language"]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as unexpected:
        raise FileBroken from unexpected
    if any(not 0 <= start <= end <= len(text) for start, end in pages):
        raise FileBroken
    if not all(map(_is_plain, (text, title, language, *meta, *meta.values()))):
        raise FileBroken
    return ParsedDocument(text, str(title) if title else None, pages, meta, str(language) if language else None)
