"""Step two: cut the text into chunks and count their terms."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.text.chunking import Chunk, split
from shared.text.sparse import TermCounts, chunk_counts, entry_vectors, lengths
from shared.text.tokenise import has_hangul, terms
from shared.vectors.port import point_id

from ingest.pipeline.work import ChunkRow

if TYPE_CHECKING:
    from uuid import UUID

    from shared.text.morphology import Morphology
    from shared.text.sparse import SparseVector

# Below this, going to another thread and back costs more than the work.
_INLINE = 2_000


@dataclass(frozen=True, slots=True)
class Pieces:
    """The chunks of a text, each with its terms."""

    chunks: list[Chunk]
    counts: list[TermCounts]
    lengths: list[float]

    def sparse(self, mean_length: float) -> list[SparseVector]:
        """The lexical vector of each chunk."""
        return entry_vectors(self.counts, mean_length)

    def rows(self, entry_id: UUID, version: int, keys: list[bytes] | None = None) -> list[ChunkRow]:
        """The chunks as they are stored, with the keys of their embeddings."""
        return [
            ChunkRow(
                id=point_id(entry_id, version, chunk.ordinal),
                ordinal=chunk.ordinal,
                start=chunk.start,
                end=chunk.end,
                sha256=bytes.fromhex(chunk.sha256),
                length=length,
                embedding_key=keys[chunk.ordinal] if keys else None,
            )
            for chunk, length in zip(self.chunks, self.lengths, strict=True)
        ]


async def cut(body: str, title: str | None, morphology: Morphology) -> Pieces:
    """Chunks and terms, off the event loop where it takes long: morphemes cost a hundred times what stems do."""
    if len(body) < _INLINE and not has_hangul(body) and not has_hangul(title or ""):
        return _cut(body, title, morphology)
    return await asyncio.to_thread(_cut, body, title, morphology)


def _cut(body: str, title: str | None, morphology: Morphology) -> Pieces:
    chunks = split(body)
    heading = terms(title, morphology=morphology) if title and chunks else []
    counts = chunk_counts(heading, [terms(chunk.text, morphology=morphology) for chunk in chunks])
    return Pieces(chunks, counts, lengths(counts))
