"""What a file says, read once and kept beside it: a document's text, a photo's description, a recording's words."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import Problem
from shared.llm.errors import ModelError
from shared.text.tokenise import has_hangul

from ingest.pipeline.understanding import storable

if TYPE_CHECKING:
    from ingest.pipeline.work import AttachedFile, Work
    from ingest.ports import Ports

MAX_FILE_BYTES = 512 * 1024 * 1024
_READER = "1"


@dataclass(frozen=True, slots=True)
class Examined:
    """What is kept of a file. `title` and `taken_at` may fill what nobody has given; `error` says why there is no text."""

    examined_by: str
    text: str | None = None
    extracted_by: str | None = None
    error: dict[str, Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    title: str | None = None
    taken_at: datetime | None = None
    thumbnail_key: str | None = None
    display_key: str | None = None
    size: int | None = None
    sha256: str | None = None
    content_type: str | None = None


def reader(ports: Ports, content_type: str) -> str:
    """Who would read a file of this type today; a file read by the same is not read again."""
    models = ports.models
    match content_type.partition("/")[0]:
        case "image":
            return f"photo-{_READER}/{models.vision.name if models.vision else 'offline'}"
        case "audio":
            return f"audio-{_READER}/{models.transcriber.name if models.transcriber else 'offline'}"
        case _:
            return f"document-{_READER}"


async def examine(ports: Ports, work: Work, file: AttachedFile) -> Examined:
    """Fetch a file and read it. Raises `FileRefused` when the file is to blame, anything else when it is not."""
    with tempfile.TemporaryDirectory(prefix="maru-file-") as folder:
        path = Path(folder) / "file"
        await ports.storage.download(file.object_key, path, MAX_FILE_BYTES)
        match file.content_type.partition("/")[0]:
            case "image":
                return await _photo(ports, work, file, path)
            case "audio":
                return await _audio(ports, file, path)
            case _:
                return await _document(ports, file, path)


async def _document(ports: Ports, file: AttachedFile, path: Path) -> Examined:
    from ingest.parse import parse_document

    parsed = await parse_document(ports.sandbox, path, file.content_type, file.filename)
    meta: dict[str, Any] = {**parsed.meta, "pages": len(parsed.pages)} if parsed.pages else dict(parsed.meta)
    if parsed.language:
        meta["language"] = parsed.language
    return Examined(
        reader(ports, file.content_type), text=parsed.text, extracted_by="parser", meta=meta, title=parsed.title
    )


async def _photo(ports: Ports, work: Work, file: AttachedFile, path: Path) -> Examined:
    from ingest.photos import read_photo, save_photo

    photo = await read_photo(ports.sandbox, path, file.content_type, keep_location=file.keep_location)
    saved = await save_photo(ports.storage, file.object_key, photo)
    text, model, error = await _described(ports, work, photo.display)
    return Examined(
        reader(ports, file.content_type),
        text=text,
        extracted_by=model,
        error=error,
        meta=photo.meta(),
        taken_at=photo.taken_at,
        thumbnail_key=saved.thumbnail_key,
        display_key=saved.display_key,
        size=saved.size,
        sha256=saved.sha256,
        content_type=saved.content_type,
    )


async def _described(ports: Ports, work: Work, image: bytes) -> tuple[str | None, str | None, dict[str, Any] | None]:
    vision = ports.models.vision
    if vision is None:
        return None, None, None
    language = "ko" if has_hangul(f"{work.note} {work.title or ''}") else "en"
    try:
        seen = await vision.describe(image, "image/webp", language)
    except ModelError as failed:
        return None, None, _lasting(failed)
    parts = (storable(part).strip() for part in (seen.description, seen.text))
    return "\n\n".join(part for part in parts if part), vision.name, None


async def _audio(ports: Ports, file: AttachedFile, path: Path) -> Examined:
    from dataclasses import asdict

    from ingest.parse import read_audio_details

    details = await read_audio_details(ports.sandbox, path, file.content_type, file.filename)
    meta = {name: value for name, value in asdict(details).items() if value is not None}
    transcriber = ports.models.transcriber
    signature = reader(ports, file.content_type)
    if transcriber is None:
        return Examined(signature, error=dict(_NOT_TRANSCRIBED), meta=meta)
    try:
        words = storable(await transcriber.transcribe(path, file.content_type)).strip()
    except ModelError as failed:
        return Examined(signature, error=_lasting(failed), meta=meta)
    return Examined(signature, text=words, extracted_by=transcriber.name, meta=meta)


_NOT_TRANSCRIBED = {
    "code": "transcription_off",
    "detail": "The recording is stored, but no transcription model is configured, so its words cannot be searched.",
}


def _lasting(failed: ModelError) -> dict[str, Any]:
    """What to say at the file when asking again is of no use; a passing failure is passed on, to be tried again."""
    if failed.retryable:
        raise failed
    return said(failed)


def said(problem: Problem) -> dict[str, Any]:
    """A problem as it is kept beside a file."""
    return {"code": problem.code, "detail": problem.detail}
