"""Step four: the points of an entry version; from here on search finds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.vectors.port import PointPayload, VectorPoint, point_id

from ingest.pipeline import insights, store
from ingest.pipeline.work import Ending, Labels
from ingest.refreshing import refresh_later

if TYPE_CHECKING:
    from ingest.pipeline.chunk import Pieces
    from ingest.pipeline.insights import Understood
    from ingest.pipeline.parse import Text
    from ingest.pipeline.progress import Progress
    from ingest.pipeline.work import Present, State, StepName, Work
    from ingest.ports import Ports


@dataclass(frozen=True, slots=True)
class Findings:
    """What the steps before have found; `understood` where that took no time worth waiting for."""

    pieces: Pieces
    dense: list[list[float]] | None
    understood: Understood | None = None


async def run(ports: Ports, work: Work, text: Text, found: Findings, progress: Progress) -> None:
    """Replace the entry's points by those of this version, and say so in the same transaction.

    Insights that are known already go with it: that is one transaction and one write to the index less for every short note.
    """
    claim, dense, understood = work.claim, found.dense, found.understood
    rows = found.pieces.rows(claim.entry_id, claim.version)
    if work.indexed_version is not None and dense is None:
        # Search goes on finding the version before until its points are replaced, and this one from that moment on.
        async with progress.saving() as (connection, _):
            await store.save_chunks(connection, claim, rows)
    steps: list[tuple[StepName, State]] = [("index", "done")]
    if understood is not None:
        steps.append(("insights", "done"))
    ending = Ending("ready") if understood is not None else None
    async with progress.saving(*steps, indexed=True, ending=ending) as (connection, present):
        labels = Labels(work.topics, work.emotions)
        if understood is not None:
            labels = await insights.save(connection, work, understood)
        # The row's lock keeps an edit or a deletion out until it is known that these vectors exist.
        points = points_of(work, present, labels, found.pieces, dense)
        await ports.vectors.replace_entry(claim.entry_id, claim.version, points)
        if dense is None and work.indexed_version is None:
            await store.save_chunks(connection, claim, rows)
        if work.indexed_version is not None:
            await store.drop_other_chunks(connection, claim)
        if (present.title, present.occurred_at) != (text.title, text.occurred_at):
            await refresh_later(connection, claim.entry_id, claim.space_id, vectors=True)


def points_of(
    work: Work, present: Present, labels: Labels, pieces: Pieces, dense: Sequence[list[float]] | None
) -> list[VectorPoint]:
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
                topics=labels.topics,
                emotions=labels.emotions,
                occurred_at=present.occurred_at,
            ),
        )
        for chunk, sparse in zip(pieces.chunks, pieces.sparse(work.mean_length), strict=True)
    ]
