"""The engine's calls, from its one thread; nothing here is asynchronous."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

from shared.text.sparse import SparseVector
from shared.vectors.errors import VectorsUnavailable
from shared.vectors.ownership import FolderLock
from shared.vectors.payload import (
    DENSE,
    HIT_FIELDS,
    KEYWORD_FIELDS,
    LEXICAL,
    UUID_FIELDS,
    Above,
    AnyOf,
    Condition,
    Within,
    changed,
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
    PREFETCH_DEPTH,
    RRF_K,
    DenseSpace,
    PayloadChange,
    VectorFilter,
    VectorHit,
    VectorPoint,
)

_WRITES_BETWEEN_FLUSHES = 2_000
_PAGE = 1_000


class Shard:
    """One open collection; its folder is locked against other processes as long as it lives."""

    def __init__(self, folder: Path, dense: DenseSpace | None) -> None:
        import qdrant_edge

        self._engine: ModuleType = qdrant_edge
        self._unflushed = 0
        self._lock = FolderLock(folder)
        try:
            self._shard: Any = _open(qdrant_edge, folder, dense)
        except Exception as broken:
            self._lock.release()
            raise VectorsUnavailable(
                f"The vector folder {folder} cannot be opened: {broken}. It holds nothing that cannot be rebuilt: "
                "move it away and run `maru reindex`."
            ) from broken

    def upsert(self, points: Sequence[VectorPoint]) -> None:
        if points:
            self._write(self._engine.UpdateOperation.upsert_points([self._point(point) for point in points]))

    def replace_entry(self, entry_id: UUID, version: int, points: Sequence[VectorPoint]) -> bool:
        if self._count([of_entry(entry_id), Above("version", version)]):
            return False
        self.upsert(points)
        keep = [self._engine.HasIdCondition({point.id for point in points})] if points else None
        self._delete(self._engine.Filter(must=self._all([of_entry(entry_id)]), must_not=keep))
        return True

    def set_payload(self, entry_id: UUID, change: PayloadChange) -> None:
        fields = changed(change)
        if fields:
            entry = self._filter([of_entry(entry_id)])
            self._write(self._engine.UpdateOperation.set_payload_by_filter(entry, fields))

    def delete_entry(self, entry_id: UUID) -> int:
        return self._forget(of_entry(entry_id))

    def delete_space(self, space_id: UUID) -> int:
        return self._forget(of_space(space_id))

    def search(
        self, sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, limit: int
    ) -> list[VectorHit]:
        depth = max(PREFETCH_DEPTH, limit)
        engine, visible = self._engine, self._filter(conditions(wanted))
        stages = []
        if sparse.indices:
            words = engine.SparseVector(sparse.indices, sparse.values)
            rarity = engine.SearchParams(idf=engine.IdfParams(corpus=self._filter([tenant(wanted)])))
            nearest = engine.Query.Nearest(words, using=LEXICAL)
            stages.append(engine.Prefetch(limit=depth, query=nearest, filter=visible, params=rarity))
        if dense is not None:
            nearest = engine.Query.Nearest(dense, using=DENSE)
            stages.append(engine.Prefetch(limit=depth, query=nearest, filter=visible))
        if not stages or limit < 1:
            return []
        found = self._ranked(stages, with_ties(limit))
        return in_order([hit(point.id, point.score, point.payload) for point in found], limit)

    def count(self, wanted: VectorFilter) -> int:
        return self._count(conditions(wanted))

    def entry_points(self, entry_id: UUID) -> list[UUID]:
        found: list[UUID] = []
        entry, offset = self._filter([of_entry(entry_id)]), None
        while True:
            request = self._engine.ScrollRequest(limit=_PAGE, filter=entry, offset=offset, with_payload=False)
            records, offset = self._shard.scroll(request)
            found.extend(UUID(str(record.id)) for record in records)
            if offset is None:
                return sorted(found)

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()
        self._lock.release()

    def _ranked(self, stages: list[Any], limit: int) -> list[Any]:
        """Fused by rank; a single list keeps its own scores, which fusing would throw away."""
        engine = self._engine
        if len(stages) > 1:
            fused = engine.Fusion.Rrf(k=RRF_K)
            request = engine.QueryRequest(limit=limit, query=fused, prefetches=stages, with_payload=HIT_FIELDS)
        else:
            only = stages[0]
            request = engine.QueryRequest(
                limit=limit, query=only.query, filter=only.filter, params=only.params, with_payload=HIT_FIELDS
            )
        return list(self._shard.query(request))

    def _forget(self, which: Condition) -> int:
        gone = self._count([which])
        if gone:
            self._delete(self._filter([which]))
        return gone

    def _count(self, which: list[Condition]) -> int:
        return int(self._shard.count(self._engine.CountRequest(filter=self._filter(which), exact=True)))

    def _delete(self, which: Any) -> None:
        self._write(self._engine.UpdateOperation.delete_points_by_filter(which))

    def _write(self, operation: Any) -> None:
        """The log already makes the write durable; a flush now and then keeps the log short."""
        self._shard.update(operation)
        self._unflushed += 1
        if self._unflushed >= _WRITES_BETWEEN_FLUSHES:
            self._shard.flush()
            self._unflushed = 0

    def _point(self, point: VectorPoint) -> Any:
        vectors: dict[str, Any] = {LEXICAL: self._engine.SparseVector(point.sparse.indices, point.sparse.values)}
        if point.dense is not None:
            vectors[DENSE] = point.dense
        return self._engine.Point(point.id, vectors, stored(point.payload))

    def _filter(self, which: list[Condition]) -> Any:
        return self._engine.Filter(must=self._all(which))

    def _all(self, which: Sequence[Condition]) -> list[Any]:
        return [_condition(self._engine, condition) for condition in which]


def _condition(engine: ModuleType, condition: Condition) -> Any:
    match condition:
        case AnyOf(key, values):
            return engine.FieldCondition(key=key, match=engine.MatchAny(values))
        case Within(key, since, until):
            return engine.FieldCondition(key=key, range=engine.RangeDateTime(gte=since, lt=until))
        case Above(key, limit):
            return engine.FieldCondition(key=key, range=engine.RangeFloat(gt=limit))


def _open(engine: ModuleType, folder: Path, dense: DenseSpace | None) -> Any:
    lexical = engine.EdgeSparseVectorParams(modifier=engine.Modifier.Idf)
    vectors = (
        {DENSE: engine.EdgeVectorParams(size=dense.dimensions, distance=engine.Distance.Cosine)} if dense else None
    )
    config = engine.EdgeConfig(vectors=vectors, sparse_vectors={LEXICAL: lexical})
    open_or_create = engine.EdgeShard.load if (folder / "edge_config.json").exists() else engine.EdgeShard.create
    shard = open_or_create(str(folder), config)
    _index_fields(engine, shard)
    return shard


def _index_fields(engine: ModuleType, shard: Any) -> None:
    known = set(shard.info().payload_schema)
    schemas: dict[str, Any] = {key: engine.UuidIndexParams(is_tenant=key == "space_id") for key in UUID_FIELDS}
    schemas |= {key: engine.KeywordIndexParams() for key in KEYWORD_FIELDS}
    schemas["version"] = engine.IntegerIndexParams(lookup=True, range=True)
    schemas["occurred_at"] = engine.DatetimeIndexParams()
    for key, schema in schemas.items():
        if key not in known:
            shard.update(engine.UpdateOperation.create_field_index(key, schema))
