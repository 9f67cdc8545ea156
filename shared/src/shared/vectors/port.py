"""What a vector index holds and answers; both adapters pass the same behavioural suite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, Protocol
from uuid import UUID, uuid5

from shared.text.sparse import SparseVector
from shared.text.tokenise import TOKENISER_VERSION

ALIAS = "entries_v1"
RRF_K = 60
PREFETCH_DEPTH = 100


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


UNCHANGED: Final = _Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True)
class DenseSpace:
    """The embedding model whose vectors an index holds; vectors of another model are not comparable."""

    model: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class PointPayload:
    """What search filters by, and which stretch of which entry version a point stands for."""

    entry_id: UUID
    version: int
    chunk: int
    space_id: UUID
    owner_id: UUID
    member_id: UUID | None
    kind: str
    topics: list[str]
    emotions: list[str]
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class VectorPoint:
    """One chunk; `dense` is present exactly when the index has a dense space."""

    id: UUID
    sparse: SparseVector
    dense: list[float] | None
    payload: PointPayload


@dataclass(frozen=True, slots=True)
class VectorFilter:
    """Which points a search may see: those of the spaces, and of these only what every other condition allows.

    An empty list sets no condition. `since` is inclusive, `until` is not.
    """

    space_ids: list[UUID]
    kinds: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    emotions: list[str] = field(default_factory=list)
    person_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if not self.space_ids:
            raise ValueError("a search without a space would see every tenant")


@dataclass(frozen=True, slots=True)
class VectorHit:
    """A point that answers a query; scores are comparable within one result only."""

    id: UUID
    entry_id: UUID
    version: int
    chunk: int
    score: float


@dataclass(frozen=True, slots=True)
class PayloadChange:
    """Payload fields to overwrite on all points of an entry; the rest stays as it is."""

    topics: list[str] | _Unchanged = UNCHANGED
    emotions: list[str] | _Unchanged = UNCHANGED
    kind: str | _Unchanged = UNCHANGED
    member_id: UUID | _Unchanged | None = UNCHANGED
    occurred_at: datetime | _Unchanged = UNCHANGED


class VectorIndex(Protocol):
    """An index of chunks. Every write may be repeated: the second time it changes nothing."""

    @property
    def collection(self) -> str:
        """The name of what is stored; another tokeniser or embedding model makes another collection."""
        ...

    @property
    def dense(self) -> DenseSpace | None:
        """The dense space points must have, or None while search is lexical only."""
        ...

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        """Store points; raises DenseVectorMisfit before anything is stored if one does not fit the dense space."""
        ...

    async def replace_entry(self, entry_id: UUID, version: int, points: Sequence[VectorPoint]) -> bool:
        """Make these the only points of the entry; False, and no change, where a newer version is indexed already."""
        ...

    async def set_payload(self, entry_id: UUID, change: PayloadChange) -> None:
        """Overwrite payload fields on every point of an entry; without points nothing happens."""
        ...

    async def delete_entry(self, entry_id: UUID) -> int:
        """Remove all points of an entry and tell how many there were."""
        ...

    async def delete_space(self, space_id: UUID) -> int:
        """Remove all points of a space and tell how many there were."""
        ...

    async def search(
        self, sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, limit: int
    ) -> list[VectorHit]:
        """The best chunks, word and meaning fused by rank; term rarity is counted within the filter's spaces."""
        ...

    async def count(self, wanted: VectorFilter) -> int:
        """How many points a filter lets through."""
        ...

    async def entry_points(self, entry_id: UUID) -> list[UUID]:
        """The ids of an entry's points, sorted."""
        ...

    async def ready(self) -> None:
        """Open the index, make it if it is missing; raises VectorsUnavailable."""
        ...

    async def close(self) -> None:
        """Write out and let go; a second call does nothing."""
        ...


def point_id(entry_id: UUID, version: int, chunk: int) -> UUID:
    """The id of a chunk's point, which makes an upsert twice an upsert once."""
    return uuid5(entry_id, f"{version}/{chunk}")


def collection_name(dense: DenseSpace | None) -> str:
    """The stored collection's name, safe as a folder: what its vectors were made with is part of it."""
    if dense is None:
        return f"{ALIAS}-t{TOKENISER_VERSION}"
    model = re.sub(r"[^a-z0-9.]+", "-", dense.model.lower()).strip("-.")
    return f"{ALIAS}-t{TOKENISER_VERSION}-{model}-{dense.dimensions}"


def best_per_entry(hits: Iterable[VectorHit], limit: int) -> list[VectorHit]:
    """The first hit of each entry, in order: how a result by chunk becomes a result by entry."""
    best: dict[UUID, VectorHit] = {}
    for hit in hits:
        best.setdefault(hit.entry_id, hit)
    return list(best.values())[:limit]
