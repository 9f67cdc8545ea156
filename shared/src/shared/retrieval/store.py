"""The SQL of search: where a person may look, and the texts behind vector hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.retrieval.passages import Passage

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.vectors import VectorHit

# A new version's chunks are stored before its points replace the old ones, and the old chunks go after that: whichever points the index holds
# at this moment have their rows. Points of an older version than the indexed one are leftovers and find no row here.
_PASSAGES = """
SELECT hit.rank, c.id, c.entry_id, c.version, c.space_id, c.start_offset, c.end_offset, encode(c.sha256, 'hex') AS sha256,
       e.kind, e.title, e.occurred_at, substr(v.body, c.start_offset + 1, c.end_offset - c.start_offset) AS text
FROM unnest($1::uuid[], $2::int[], $3::int[]) WITH ORDINALITY AS hit (entry_id, version, ordinal, rank)
JOIN entries e ON e.id = hit.entry_id AND hit.version >= coalesce(e.indexed_version, 0)
JOIN chunks c ON c.entry_id = hit.entry_id AND c.version = hit.version AND c.ordinal = hit.ordinal
JOIN entry_versions v ON v.entry_id = c.entry_id AND v.version = c.version
ORDER BY hit.rank
"""


async def readable_spaces(connection: Connection) -> frozenset[UUID]:
    """The spaces this transaction's person belongs to."""
    return frozenset(await connection.fetchval("SELECT my_spaces()"))


async def passages(connection: Connection, hits: Sequence[VectorHit]) -> list[Passage]:
    """The passages of these hits in their order, without those that are gone, outdated or not this person's to read."""
    rows = await connection.fetch(
        _PASSAGES,
        [hit.entry_id for hit in hits],
        [hit.version for hit in hits],
        [hit.chunk for hit in hits],
    )
    return [
        Passage(
            entry_id=row["entry_id"],
            chunk_id=row["id"],
            version=row["version"],
            space_id=row["space_id"],
            kind=row["kind"],
            title=row["title"],
            occurred_at=row["occurred_at"],
            start=row["start_offset"],
            end=row["end_offset"],
            text=row["text"],
            sha256=row["sha256"],
            score=hits[row["rank"] - 1].score,
        )
        for row in rows
    ]
