"""Qdrant's engine inside this process.

One process owns the folder, and all calls go through one thread: the engine holds the interpreter's lock while it works, so
more threads would only queue. Its write-ahead log keeps what was stored when the process is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from shared.text.sparse import SparseVector
from shared.vectors.edge_shard import Shard
from shared.vectors.payload import check_dense, check_query
from shared.vectors.port import (
    DenseSpace,
    PayloadChange,
    VectorFilter,
    VectorHit,
    VectorPoint,
    collection_name,
)

Result = TypeVar("Result")


class EdgeIndex:
    """A `VectorIndex` in a folder; it opens at the first call."""

    def __init__(self, folder: Path, dense: DenseSpace | None = None) -> None:
        self.collection = collection_name(dense)
        self.dense = dense
        self._folder = folder
        self._shard: Shard | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vectors")

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        check_dense(points, self.dense)
        await self._call(lambda shard: shard.upsert(points))

    async def replace_entry(self, entry_id: UUID, version: int, points: Sequence[VectorPoint]) -> bool:
        check_dense(points, self.dense)
        return await self._call(lambda shard: shard.replace_entry(entry_id, version, points))

    async def set_payload(self, entry_id: UUID, change: PayloadChange) -> None:
        await self._call(lambda shard: shard.set_payload(entry_id, change))

    async def delete_entry(self, entry_id: UUID) -> int:
        return await self._call(lambda shard: shard.delete_entry(entry_id))

    async def delete_space(self, space_id: UUID) -> int:
        return await self._call(lambda shard: shard.delete_space(space_id))

    async def search(
        self, sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, limit: int
    ) -> list[VectorHit]:
        check_query(dense, self.dense)
        return await self._call(lambda shard: shard.search(sparse, dense, wanted, limit))

    async def count(self, wanted: VectorFilter) -> int:
        return await self._call(lambda shard: shard.count(wanted))

    async def entry_points(self, entry_id: UUID) -> list[UUID]:
        return await self._call(lambda shard: shard.entry_points(entry_id))

    async def ready(self) -> None:
        await self._call(lambda _: None)

    async def close(self) -> None:
        def let_go() -> None:
            if self._shard is not None:
                self._shard.close()
                self._shard = None

        await asyncio.get_running_loop().run_in_executor(self._thread, let_go)

    async def _call(self, work: Callable[[Shard], Result]) -> Result:
        def run() -> Result:
            if self._shard is None:
                self._shard = Shard(self._folder / self.collection, self.dense)
            return work(self._shard)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)
