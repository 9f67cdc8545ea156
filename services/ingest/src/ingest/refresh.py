"""Brings an entry's points up to date without a new version: after a new title, date, person or correction, or into a fresh index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.vectors.port import PayloadChange

from ingest import refresh_store
from ingest.pipeline import chunk, embed, embedding_store, index, store
from ingest.pipeline.failures import TryAgain
from ingest.pipeline.parse import Text
from ingest.pipeline.work import Labels, Present

if TYPE_CHECKING:
    from array import array

    from shared.db import Connection

    from ingest.messages import RefreshEntry
    from ingest.pipeline.chunk import Pieces
    from ingest.pipeline.work import Work
    from ingest.ports import Ports


class Refreshing:
    """Runs `refresh-entry`. What it writes is computed from the rows of that moment, so repeating it does no harm."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    async def refresh_entry(self, task: RefreshEntry) -> None:
        """Filters alone are set at once; with `vectors` the points are made anew. An entry that is not indexed yet is left to the pipeline."""
        if task.vectors:
            await self._renew(task)
            return
        async with self._ports.database.space_tx(task.space_id) as connection:
            work = await refresh_store.lock(connection, task.entry_id)
            if work is not None:
                await self._ports.vectors.set_payload(
                    task.entry_id,
                    PayloadChange(
                        topics=work.topics,
                        emotions=work.emotions,
                        member_id=work.person_id,
                        occurred_at=work.occurred_at,
                    ),
                )

    async def _renew(self, task: RefreshEntry) -> None:
        async with self._ports.database.space_tx(task.space_id) as connection:
            work = await refresh_store.read(connection, task.entry_id)
        if work is None:
            return
        text = Text(work.body, work.title, work.occurred_at)
        pieces = await chunk.cut(text.body, text.title, self._ports.morphology)
        vectors = await self._embedded(work, text, pieces)
        async with self._ports.database.space_tx(task.space_id) as connection:
            now = await refresh_store.lock(connection, task.entry_id)
            if now is None:
                return
            if (now.claim.version, now.title, now.occurred_at) != (work.claim.version, work.title, work.occurred_at):
                raise TryAgain("The entry was changed while its points were made anew.")
            await self._replace(connection, now, text, pieces, vectors)

    async def _replace(
        self, connection: Connection, now: Work, text: Text, pieces: Pieces, vectors: dict[bytes, array[float]] | None
    ) -> None:
        embedder = self._ports.embedder
        keys = embed.keys_of(embedder, pieces, text) if embedder is not None else None
        rows = pieces.rows(now.claim.entry_id, now.claim.version, keys)
        await refresh_store.drop_chunks(connection, now.claim.entry_id)
        await store.save_chunks(connection, now.claim, rows)
        dense = None
        if keys is not None and vectors is not None:
            await embedding_store.keep(connection, now.claim.space_id, vectors)
            dense = [vectors[key].tolist() for key in keys]
        present, labels = Present(now.title, now.occurred_at, now.person_id), Labels(now.topics, now.emotions)
        points = index.points_of(now, present, labels, pieces, dense)
        await self._ports.vectors.replace_entry(now.claim.entry_id, now.claim.version, points)

    async def _embedded(self, work: Work, text: Text, pieces: Pieces) -> dict[bytes, array[float]] | None:
        embedder = self._ports.embedder
        if embedder is None:
            return None
        wanted = embed.texts(embedder, pieces.chunks, text.title, text.occurred_at)
        async with self._ports.database.space_tx(work.claim.space_id) as connection:
            vectors = await embedding_store.cached(connection, work.claim.space_id, list(wanted))
        async for made in embed.embedded(embedder, {key: one for key, one in wanted.items() if key not in vectors}):
            vectors |= made
        return vectors
