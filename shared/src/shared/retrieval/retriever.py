"""Search: spaces from Postgres, ranks from the vector index, texts from Postgres under row-level security."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.retrieval import store
from shared.retrieval.passages import Found, Passage, SearchFilter
from shared.retrieval.queries import QueryEmbedder
from shared.text.sparse import SparseVector, query_vector
from shared.text.tokenise import terms
from shared.vectors.port import PREFETCH_DEPTH, VectorFilter

if TYPE_CHECKING:
    from shared.db import Database, Principal
    from shared.llm import Embedder
    from shared.text.morphology import Morphology
    from shared.vectors import VectorHit, VectorIndex

_EVERYTHING = SearchFilter()
# Some hits fall away when their rows are read: deleted a moment ago, or edited.
_SPARE = 2


class Retriever:
    """Searches as a person; holds nothing of anybody between two calls but the vectors of questions.

    Without `morphology` Korean questions match by bigrams alone, which the index always has. Without `embedder` search is by words.
    """

    def __init__(
        self,
        database: Database,
        vectors: VectorIndex,
        *,
        embedder: Embedder | None = None,
        morphology: Morphology | None = None,
    ) -> None:
        self._database = database
        self._vectors = vectors
        self._embedder = QueryEmbedder(embedder) if embedder is not None else None
        self._morphology = morphology

    async def search(
        self,
        principal: Principal,
        query: str,
        wanted: SearchFilter = _EVERYTHING,
        limit: int = 10,
        *,
        per_entry: int | None = None,
    ) -> list[Passage]:
        """The best passages, at most `per_entry` of one entry."""
        return list((await self.find(principal, query, wanted, limit, per_entry=per_entry)).passages)

    async def find(
        self,
        principal: Principal,
        query: str,
        wanted: SearchFilter = _EVERYTHING,
        limit: int = 10,
        *,
        per_entry: int | None = None,
    ) -> Found:
        """As `search`, with where was looked and whether meaning took part."""
        spaces, words, dense = await asyncio.gather(
            self._spaces(principal, wanted), self._words(query), self._dense(query)
        )
        degraded = self._embedder is not None and dense is None
        if not spaces:
            return Found((), spaces, degraded)
        visible = _vector_filter(spaces, wanted)
        hits = await self._vectors.search(words, dense, visible, max(PREFETCH_DEPTH, limit * _SPARE))
        candidates = _foremost(hits, limit * _SPARE, per_entry)
        if not candidates:
            return Found((), spaces, degraded)
        async with self._database.tenant_tx(principal) as connection:
            passages = await store.passages(connection, candidates)
        return Found(tuple(_first_of_each(passages, per_entry))[:limit], spaces, degraded)

    async def _spaces(self, principal: Principal, wanted: SearchFilter) -> frozenset[UUID]:
        async with self._database.tenant_tx(principal) as connection:
            readable = await store.readable_spaces(connection)
        return readable.intersection(wanted.space_ids) if wanted.space_ids else readable

    async def _words(self, query: str) -> SparseVector:
        if self._morphology is None:
            return query_vector(terms(query, morphology=None))
        return await asyncio.to_thread(lambda: query_vector(terms(query, morphology=self._morphology)))

    async def _dense(self, query: str) -> list[float] | None:
        return None if self._embedder is None else await self._embedder.embed(query)


def _vector_filter(spaces: frozenset[UUID], wanted: SearchFilter) -> VectorFilter:
    return VectorFilter(
        sorted(spaces),
        kinds=list(wanted.kinds),
        topics=list(wanted.topics),
        emotions=list(wanted.emotions),
        person_id=wanted.person_id,
        since=wanted.since,
        until=wanted.until,
    )


def _foremost(hits: Sequence[VectorHit], most: int, per_entry: int | None) -> list[VectorHit]:
    """The best hits, few of each entry version: a version that turns out to be outdated must not crowd out the right one."""
    seen: Counter[tuple[UUID, int]] = Counter()
    kept: list[VectorHit] = []
    for hit in hits:
        key = hit.entry_id, hit.version
        seen[key] += 1
        if per_entry is None or seen[key] <= per_entry:
            kept.append(hit)
        if len(kept) == most:
            break
    return kept


def _first_of_each(passages: Iterable[Passage], per_entry: int | None) -> list[Passage]:
    seen: Counter[UUID] = Counter()
    kept = []
    for passage in passages:
        seen[passage.entry_id] += 1
        if per_entry is None or seen[passage.entry_id] <= per_entry:
            kept.append(passage)
    return kept
