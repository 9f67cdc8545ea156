"""Step one: the full text of the version, from what the person wrote and what the files say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.storage.keys import upload_prefix

from ingest.parse.errors import FileOversized, FileRefused
from ingest.pipeline import files, files_store, store
from ingest.pipeline.files import Examined
from ingest.pipeline.work import ClaimLost

if TYPE_CHECKING:
    from ingest.pipeline.progress import Progress
    from ingest.pipeline.work import AttachedFile, Work
    from ingest.ports import Ports

# A book is a million characters. What is beyond is kept in the file and said to be cut.
MAX_BODY = 3_000_000


@dataclass(frozen=True, slots=True)
class Text:
    """What is indexed and understood."""

    body: str
    title: str | None
    occurred_at: datetime


async def read(ports: Ports, work: Work, progress: Progress) -> Text:
    """The text, from the version itself where it was completed before."""
    if work.finished("parse"):
        return Text(work.body, work.title, work.occurred_at)
    if not work.files:
        progress.done("parse")
        return Text(work.note, work.title, work.occurred_at)
    await progress.begin("parse")
    found = [await _examined(ports, work, file) for file in work.files]
    body = _joined([work.note, *(one.text for one in found)])
    title = next((one.title for one in found if one.title), None) if work.title is None else None
    taken_at = next((one.taken_at for one in found if one.taken_at), None) if work.occurred_at_assumed else None
    moment = taken_at.astimezone(UTC) if taken_at and taken_at.tzinfo else taken_at and taken_at.replace(tzinfo=UTC)
    progress.done("parse")
    async with progress.saving() as (connection, present):
        await store.save_body(connection, progress.claim, body, title, moment)
    return Text(body, title or present.title, moment or present.occurred_at)


async def _examined(ports: Ports, work: Work, file: AttachedFile) -> Examined:
    signature = files.reader(ports, file.content_type)
    if file.examined_by == signature:
        return Examined(signature, text=file.text)
    try:
        found = await files.examine(ports, work, file)
    except (FileRefused, FileOversized) as refused:
        async with ports.database.space_tx(work.claim.space_id) as connection:
            await files_store.save_refusal(connection, file.upload_id, files.said(refused))
        raise
    async with ports.database.space_tx(work.claim.space_id) as connection:
        saved = await files_store.save(connection, file.upload_id, found)
    if not saved:
        # Deleted while it was read: the pictures made of it must not stay behind.
        await ports.storage.delete_prefix(upload_prefix(file.object_key))
        raise ClaimLost
    return found


def _joined(parts: Sequence[str | None]) -> str:
    return "\n\n".join(part for part in parts if part and part.strip())[:MAX_BODY]
