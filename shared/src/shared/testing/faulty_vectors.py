"""A vector index that fails, dies or waits where a test tells it to, and otherwise is the real one behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from shared.vectors.port import DenseSpace, PayloadChange, VectorFilter, VectorHit, VectorIndex, VectorPoint

if TYPE_CHECKING:
    from shared.text.sparse import SparseVector

Result = TypeVar("Result")


class ProcessDied(BaseException):
    """The process ends here: nothing after this line runs, and what was not committed is gone."""


class FaultyVectors:
    """Mirrors the protocol. `fails` are raised before the call, `dies_after` after it has taken effect; `gate` holds writes back."""

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self.fails: dict[str, list[BaseException]] = {}
        self.dies_after: set[str] = set()
        self.gate: asyncio.Event | None = None
        self.reached = asyncio.Event()
        self.calls: list[str] = []

    @property
    def collection(self) -> str:
        return self._index.collection

    @property
    def dense(self) -> DenseSpace | None:
        return self._index.dense

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        await self._write("upsert", lambda: self._index.upsert(points))

    async def replace_entry(self, entry_id: UUID, version: int, points: Sequence[VectorPoint]) -> bool:
        return await self._write("replace_entry", lambda: self._index.replace_entry(entry_id, version, points))

    async def set_payload(self, entry_id: UUID, change: PayloadChange) -> None:
        await self._write("set_payload", lambda: self._index.set_payload(entry_id, change))

    async def delete_entry(self, entry_id: UUID) -> int:
        return await self._write("delete_entry", lambda: self._index.delete_entry(entry_id))

    async def delete_space(self, space_id: UUID) -> int:
        return await self._write("delete_space", lambda: self._index.delete_space(space_id))

    async def search(
        self, sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, limit: int
    ) -> list[VectorHit]:
        return await self._index.search(sparse, dense, wanted, limit)

    async def count(self, wanted: VectorFilter) -> int:
        return await self._index.count(wanted)

    async def entry_points(self, entry_id: UUID) -> list[UUID]:
        return await self._index.entry_points(entry_id)

    async def ready(self) -> None:
        await self._index.ready()

    async def close(self) -> None:
        await self._index.close()

    async def _write(self, name: str, call: Callable[[], Awaitable[Result]]) -> Result:
        self.calls.append(name)
        if self.fails.get(name):
            raise self.fails[name].pop(0)
        if self.gate is not None:
            self.reached.set()
            await self.gate.wait()
        result = await call()
        if name in self.dies_after:
            self.dies_after.discard(name)
            raise ProcessDied
        return result
