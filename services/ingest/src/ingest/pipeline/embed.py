"""Step three: the meaning of each chunk as a vector, where a model is configured."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from shared.text.chunking import Chunk, prefix

from ingest.pipeline import embedding_store, store

if TYPE_CHECKING:
    from shared.llm import Embedder

    from ingest.pipeline.chunk import Pieces
    from ingest.pipeline.parse import Text
    from ingest.pipeline.progress import Progress
    from ingest.pipeline.work import Work
    from ingest.ports import Ports

# Each batch is kept when it arrives, so that an interruption costs no more than one.
_BATCH = 128


async def run(ports: Ports, work: Work, text: Text, pieces: Pieces, progress: Progress) -> list[list[float]] | None:
    """A vector for each chunk, from the cache where the same text was embedded before; None where there is no model."""
    embedder = ports.embedder
    if embedder is None:
        progress.done("embed", "skipped")
        return None
    if not pieces.chunks:
        progress.done("embed")
        return []
    wanted = texts(embedder, pieces.chunks, text.title, text.occurred_at)
    keys, space_id = list(wanted), work.claim.space_id
    async with progress.saving(("embed", "running")) as (connection, _):
        # Before the embeddings: the cache keeps only what a chunk points to.
        rows = pieces.rows(work.claim.entry_id, work.claim.version, keys_of(embedder, pieces, text))
        await store.save_chunks(connection, progress.claim, rows)
        if work.finished("chunk"):
            await embedding_store.rekey(connection, space_id, rows)
        vectors = await embedding_store.cached(connection, space_id, keys)
    async for made in embedded(embedder, {key: one for key, one in wanted.items() if key not in vectors}):
        async with progress.saving() as (connection, _):
            await embedding_store.keep(connection, space_id, made)
        vectors |= made
    progress.done("embed")
    return [vectors[key].tolist() for key in keys_of(embedder, pieces, text)]


def texts(embedder: Embedder, chunks: Sequence[Chunk], title: str | None, occurred_at: datetime) -> dict[bytes, str]:
    """What is embedded, by the key it is kept under: each chunk behind the title and day of its entry."""
    ahead = prefix(title, occurred_at)
    return {key_of(embedder, ahead + chunk.text): ahead + chunk.text for chunk in chunks}


def keys_of(embedder: Embedder, pieces: Pieces, text: Text) -> list[bytes]:
    """The key of each chunk, in order; chunks that say the same share one."""
    ahead = prefix(text.title, text.occurred_at)
    return [key_of(embedder, ahead + chunk.text) for chunk in pieces.chunks]


def key_of(embedder: Embedder, text: str) -> bytes:
    """Under which a text's vector is kept: another model or length is another vector."""
    return hashlib.sha256(f"{embedder.model}\0{embedder.dimensions}\0{text}".encode()).digest()


async def embedded(embedder: Embedder, wanted: Mapping[bytes, str]) -> AsyncIterator[dict[bytes, array[float]]]:
    """Vectors of texts by key, a batch at a time."""
    keys = list(wanted)
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        made = await embedder.embed([wanted[key] for key in batch])
        yield {key: array("f", vector) for key, vector in zip(batch, made, strict=True)}
