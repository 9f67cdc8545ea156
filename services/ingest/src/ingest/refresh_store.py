"""The SQL of bringing an entry's points up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from shared.text.sparse import LengthStats

from ingest.pipeline.work import Claim, Work

if TYPE_CHECKING:
    from shared.db import Connection, Record

_INDEXED = """
SELECT e.id, e.space_id, e.epoch, e.author_id, e.person_id, e.kind, e.title, e.occurred_at, e.occurred_at_assumed, e.indexed_version,
  v.note, v.body, v.stream_id, t.chunk_count, t.term_count, i.topics, i.emotions
FROM entries e JOIN entry_versions v ON v.entry_id = e.id AND v.version = e.indexed_version
LEFT JOIN text_statistics t ON t.space_id = e.space_id LEFT JOIN insights i ON i.entry_id = e.id WHERE e.id = $1
"""


async def read(connection: Connection, entry_id: UUID) -> Work | None:
    """The entry at the version search finds; None when there is none."""
    return _work(await connection.fetchrow(_INDEXED, entry_id))


async def lock(connection: Connection, entry_id: UUID) -> Work | None:
    """As `read`, with the entry's row held to the end of the transaction."""
    # In two statements: one that waits for the lock would return the joined rows as they were before the wait.
    await connection.execute("SELECT FROM entries WHERE id = $1 FOR UPDATE", entry_id)
    return await read(connection, entry_id)


async def drop_chunks(connection: Connection, entry_id: UUID) -> None:
    """Forget how the entry was cut."""
    await connection.execute("DELETE FROM chunks WHERE entry_id = $1", entry_id)


def _work(found: Record | None) -> Work | None:
    if found is None:
        return None
    return Work(
        claim=Claim(found["id"], found["indexed_version"], found["space_id"], found["epoch"], found["stream_id"]),
        author_id=found["author_id"],
        person_id=found["person_id"],
        kind=found["kind"],
        title=found["title"],
        occurred_at=found["occurred_at"],
        occurred_at_assumed=found["occurred_at_assumed"],
        indexed_version=found["indexed_version"],
        attempt=1,
        note=found["note"],
        body=found["body"],
        steps={},
        files=(),
        known_people=(),
        mean_length=LengthStats(found["chunk_count"] or 0, found["term_count"] or 0.0).mean,
        topics=list(found["topics"] or ()),
        emotions=[emotion["label"] for emotion in found["emotions"] or ()],
    )
