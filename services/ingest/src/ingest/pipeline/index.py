"""Step four: the points of an entry version; from here on search finds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.vectors.port import PointPayload, VectorPoint, point_id

from ingest.pipeline import store
from ingest.refreshing import refresh_later

if TYPE_CHECKING:
    from ingest.pipeline.chunk import Pieces
    from ingest.pipeline.parse import Text
    from ingest.pipeline.progress import Progress
    from ingest.pipeline.work import Present, Work
    from ingest.ports import Ports


async def run(
    ports: Ports, work: Work, text: Text, pieces: Pieces, dense: list[list[float]] | None, progress: Progress
) -> None:
    """Replace the entry's points by those of this version, and say so in the same transaction."""
    claim = work.claim
    rows = pieces.rows(claim.entry_id, claim.version)
    if work.indexed_version is not None and dense is None:
        # Search goes on finding the version before until its points are replaced, and this one from that moment on.
        async with progress.saving() as (connection, _):
            await store.save_chunks(connection, claim, rows)
    async with progress.saving(("index", "done"), indexed=True) as (connection, present):
        # The row's lock keeps an edit or a deletion out until it is known that these vectors exist.
        points = points_of(work, present, pieces, dense)
        await ports.vectors.replace_entry(claim.entry_id, claim.version, points)
        if dense is None and work.indexed_version is None:
            await store.save_chunks(connection, claim, rows)
        if work.indexed_version is not None:
            await store.drop_other_chunks(connection, claim)
        if (present.title, present.occurred_at) != (text.title, text.occurred_at):
            await refresh_later(connection, claim.entry_id, claim.space_id, vectors=True)


def points_of(work: Work, present: Present, pieces: Pieces, dense: Sequence[list[float]] | None) -> list[VectorPoint]:
    """One point a chunk, filtered by how the entry is at present."""
    claim = work.claim
    return [
        VectorPoint(
            point_id(claim.entry_id, claim.version, chunk.ordinal),
            sparse,
            dense[chunk.ordinal] if dense is not None else None,
            PointPayload(
                entry_id=claim.entry_id,
                version=claim.version,
                chunk=chunk.ordinal,
                space_id=claim.space_id,
                owner_id=work.author_id,
                member_id=present.person_id,
                kind=work.kind,
                topics=work.topics,
                emotions=work.emotions,
                occurred_at=present.occurred_at,
            ),
        )
        for chunk, sparse in zip(pieces.chunks, pieces.sparse(work.mean_length), strict=True)
    ]
