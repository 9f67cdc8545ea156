"""Documents and recordings, from their files: text with offsets, or facts; or a `FileRefused` with a stable code."""

from __future__ import annotations

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
    try:
        return AudioDetails(**output.facts)
    except TypeError as unexpected:
        raise FileBroken from unexpected


def _document(output: Output) -> ParsedDocument:
    """What the sandbox found, with every value checked: it comes from a process that has read a stranger's file."""
    facts = output.facts
    try:
        text = output.blobs[0].decode("utf-8")
        pages = tuple((int(start), int(end)) for start, end in facts["pages"])
        meta = {str(name): str(value) for name, value in facts["meta"].items()}
        title, language = facts["title"], facts["language"]
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as unexpected:
        raise FileBroken from unexpected
    if any(not 0 <= start <= end <= len(text) for start, end in pages):
        raise FileBroken
    return ParsedDocument(text, str(title) if title else None, pages, meta, str(language) if language else None)
