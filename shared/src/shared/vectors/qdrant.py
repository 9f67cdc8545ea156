"""A Qdrant server through its client, which costs 0.7 s to import and is therefore imported at the first call.

Points are read from and written to the collection whose name says what its vectors were made with; the alias
`entries_v1` shows which one is current and moves with `publish`, after a reindex. A release with another tokeniser
fills its own collection while the one before still answers from the old.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.rotation import Secret, current
from shared.text.sparse import SparseVector
from shared.vectors.errors import VectorsUnavailable
from shared.vectors.payload import (
    DENSE,
    HIT_FIELDS,
    LEXICAL,
    Above,
    Condition,
    changed,
    check_dense,
    check_query,
    conditions,
    hit,
    in_order,
    of_entry,
    of_space,
    stored,
    tenant,
    with_ties,
)
from shared.vectors.port import (
    ALIAS,
    PREFETCH_DEPTH,
    RRF_K,
    DenseSpace,
    PayloadChange,
    VectorFilter,
    VectorHit,
    VectorPoint,
    collection_name,
)
from shared.vectors.qdrant_collection import prepare

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient
    from qdrant_client.models import Prefetch

log = logging.getLogger(__name__)
_PAGE = 1_000
_BATCH = 256
_TIMEOUT_S = 10


class QdrantIndex:
    """A `VectorIndex` on a server; `:memory:` as the location keeps everything in this process, for tests."""

    def __init__(
        self,
        location: str,
        *,
        api_key: Secret | None = None,
        dense: DenseSpace | None = None,
        timeout_s: int = _TIMEOUT_S,
    ) -> None:
        self.collection = collection_name(dense)
        self.dense = dense
        self._location = location
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._opening = asyncio.Lock()
        self._client: AsyncQdrantClient | None = None
        self._opened_with: str | None = None
        self._former: list[AsyncQdrantClient] = []

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        check_dense(points, self.dense)
        async with self._connected() as client:
            for start in range(0, len(points), _BATCH):
                batch = [_point(point) for point in points[start : start + _BATCH]]
                await client.upsert(self.collection, batch, wait=True)

    async def replace_entry(self, entry_id: UUID, version: int, points: Sequence[VectorPoint]) -> bool:
        """The caller fences versions in the database: two calls here at once for one entry are not serialised."""
        from qdrant_client import models

        check_dense(points, self.dense)
        if await self._count([of_entry(entry_id), Above("version", version)]):
            return False
        await self.upsert(points)
        others = _filter([of_entry(entry_id)])
        if points:
            others.must_not = [models.HasIdCondition(has_id=[str(point.id) for point in points])]
        await self._delete(others)
        return True

    async def set_payload(self, entry_id: UUID, change: PayloadChange) -> None:
        fields = changed(change)
        if fields:
            async with self._connected() as client:
                await client.set_payload(self.collection, fields, points=_filter([of_entry(entry_id)]), wait=True)

    async def delete_entry(self, entry_id: UUID) -> int:
        return await self._forget(of_entry(entry_id))

    async def delete_space(self, space_id: UUID) -> int:
        return await self._forget(of_space(space_id))

    async def search(
        self, sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, limit: int
    ) -> list[VectorHit]:
        check_query(dense, self.dense)
        depth = max(PREFETCH_DEPTH, limit)
        stages = _stages(sparse, dense, wanted, depth)
        if not stages or limit < 1:
            return []
        async with self._connected() as client:
            found = await client.query_points(
                self.collection, **_ranking(stages), limit=with_ties(limit), with_payload=HIT_FIELDS
            )
        return in_order([hit(point.id, point.score, point.payload) for point in found.points], limit)

    async def count(self, wanted: VectorFilter) -> int:
        return await self._count(conditions(wanted))

    async def entry_points(self, entry_id: UUID) -> list[UUID]:
        found: list[UUID] = []
        entry, offset = _filter([of_entry(entry_id)]), None
        async with self._connected() as client:
            while True:
                records, offset = await client.scroll(
                    self.collection, entry, limit=_PAGE, offset=offset, with_payload=False
                )
                found.extend(UUID(str(record.id)) for record in records)
                if offset is None:
                    return sorted(found)

    async def ready(self) -> None:
        async with self._connected() as client:
            await client.get_collection(self.collection)

    async def publish(self) -> None:
        """Point the alias at this collection, in one step on the server."""
        from qdrant_client import models

        async with self._connected() as client:
            known = {alias.alias_name for alias in (await client.get_aliases()).aliases}
            steps: list[models.CreateAliasOperation | models.DeleteAliasOperation | models.RenameAliasOperation] = []
            if ALIAS in known:
                steps.append(models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=ALIAS)))
            create = models.CreateAlias(collection_name=self.collection, alias_name=ALIAS)
            steps.append(models.CreateAliasOperation(create_alias=create))
            await client.update_collection_aliases(steps)

    async def close(self) -> None:
        clients = [*self._former, *([self._client] if self._client is not None else [])]
        self._former, self._client = [], None
        for client in clients:
            await client.close()

    async def _count(self, which: list[Condition]) -> int:
        async with self._connected() as client:
            return (await client.count(self.collection, _filter(which), exact=True)).count

    async def _forget(self, which: Condition) -> int:
        gone = await self._count([which])
        if gone:
            await self._delete(_filter([which]))
        return gone

    async def _delete(self, which: Any) -> None:
        from qdrant_client import models

        async with self._connected() as client:
            await client.delete(self.collection, models.FilterSelector(filter=which), wait=True)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncQdrantClient]:
        """The client, with the collection made; what goes wrong on the way to the server is one error."""
        from httpx import HTTPError
        from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            yield await self._open()
        except ResourceExhaustedResponse as busy:
            raise VectorsUnavailable("The vector server has too much to do.", retry_after=busy.retry_after_s) from busy
        except UnexpectedResponse as refused:
            if refused.status_code == 404:
                # Somebody removed the collection: the next call makes it again, and `maru reindex` fills it.
                await self._forget_client()
            log.warning("the vector server answered %s: %.500s", refused.status_code, refused.content)
            raise VectorsUnavailable(f"The vector server answered {refused.status_code}.") from refused
        except (ApiException, QdrantException, HTTPError, OSError) as broken:
            log.warning("the vector server does not answer: %s", broken)
            raise VectorsUnavailable("The vector server does not answer as it should.") from broken

    async def _forget_client(self) -> None:
        async with self._opening:
            if self._client is not None:
                self._former.append(self._client)
                self._client = None

    async def _open(self) -> AsyncQdrantClient:
        async with self._opening:
            key = current(self._api_key) if self._api_key else None
            if self._client is not None and key != self._opened_with:
                # Closed at the end: somebody may be in the middle of a call.
                self._former.append(self._client)
                self._client = None
            if self._client is None:
                client = _connect(self._location, key, self._timeout_s)
                try:
                    await prepare(client, self.collection, self.dense)
                except BaseException:
                    await client.close()
                    raise
                self._client, self._opened_with = client, key
            return self._client


def _connect(location: str, api_key: str | None, timeout_s: int) -> AsyncQdrantClient:
    from httpx import Limits
    from qdrant_client import AsyncQdrantClient

    if location == ":memory:":
        return AsyncQdrantClient(location)
    # The client's own check asks in a thread of its own and only warns; `prepare` asks for what is needed and refuses.
    return AsyncQdrantClient(
        url=location, api_key=api_key, timeout=timeout_s, check_compatibility=False, limits=Limits(max_connections=50)
    )


def _stages(sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, depth: int) -> list[Prefetch]:
    from qdrant_client import models

    visible = _filter(conditions(wanted))
    stages = []
    if sparse.indices:
        words = models.SparseVector(indices=sparse.indices, values=sparse.values)
        rarity = models.SearchParams(idf=models.IdfCorpusParams(corpus=_filter([tenant(wanted)])))
        stages.append(models.Prefetch(query=words, using=LEXICAL, filter=visible, params=rarity, limit=depth))
    if dense is not None:
        stages.append(models.Prefetch(query=dense, using=DENSE, filter=visible, limit=depth))
    return stages


def _ranking(stages: list[Prefetch]) -> dict[str, Any]:
    """Fused by rank; a single list keeps its own scores, which fusing would throw away."""
    from qdrant_client import models

    if len(stages) > 1:
        return {"prefetch": stages, "query": models.RrfQuery(rrf=models.Rrf(k=RRF_K))}
    only = stages[0]
    return {"query": only.query, "using": only.using, "query_filter": only.filter, "search_params": only.params}


def _point(point: VectorPoint) -> Any:
    from qdrant_client import models

    vectors: dict[str, Any] = {LEXICAL: models.SparseVector(indices=point.sparse.indices, values=point.sparse.values)}
    if point.dense is not None:
        vectors[DENSE] = point.dense
    return models.PointStruct(id=str(point.id), vector=vectors, payload=stored(point.payload))


def _filter(which: Sequence[Condition]) -> Any:
    from qdrant_client import models

    from shared.vectors.qdrant_conditions import field_condition

    return models.Filter(must=[field_condition(condition) for condition in which])
