"""The folder of one process, used by another on the same machine: the engine allows one owner, so the owner serves it.

A connection carries one request at a time. A client that finds its connection broken dials again at the next call.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.text.sparse import SparseVector
from shared.vectors.errors import VectorsUnavailable
from shared.vectors.payload import check_dense, check_query
from shared.vectors.port import DenseSpace, PayloadChange, VectorFilter, VectorHit, VectorPoint, collection_name
from shared.vectors.wire import MAX_LINE, encoded, plain, typed

_TIMEOUT_S = 30


class RemoteIndex:
    """A `VectorIndex` whose engine lives in the process that listens on the socket."""

    def __init__(self, socket: Path, dense: DenseSpace | None = None) -> None:
        self.collection = collection_name(dense)
        self.dense = dense
        self._socket = socket
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def upsert(self, points: Sequence[VectorPoint]) -> None:
        check_dense(points, self.dense)
        await self._ask("upsert", points=plain(list[VectorPoint], list(points)))

    async def replace_entry(self, entry_id: UUID, version: int, points: Sequence[VectorPoint]) -> bool:
        check_dense(points, self.dense)
        wired = plain(list[VectorPoint], list(points))
        return bool(await self._ask("replace_entry", entry_id=str(entry_id), version=version, points=wired))

    async def set_payload(self, entry_id: UUID, change: PayloadChange) -> None:
        await self._ask("set_payload", entry_id=str(entry_id), change=plain(PayloadChange, change))

    async def delete_entry(self, entry_id: UUID) -> int:
        return int(await self._ask("delete_entry", entry_id=str(entry_id)))

    async def delete_space(self, space_id: UUID) -> int:
        return int(await self._ask("delete_space", space_id=str(space_id)))

    async def search(
        self, sparse: SparseVector, dense: list[float] | None, wanted: VectorFilter, limit: int
    ) -> list[VectorHit]:
        check_query(dense, self.dense)
        words, visible = plain(SparseVector, sparse), plain(VectorFilter, wanted)
        hits = await self._ask("search", sparse=words, dense=dense, wanted=visible, limit=limit)
        return typed(list[VectorHit], hits)

    async def count(self, wanted: VectorFilter) -> int:
        return int(await self._ask("count", wanted=plain(VectorFilter, wanted)))

    async def entry_points(self, entry_id: UUID) -> list[UUID]:
        return typed(list[UUID], await self._ask("entry_points", entry_id=str(entry_id)))

    async def ready(self) -> None:
        served = await self._ask("ready")
        if served != self.collection:
            raise VectorsUnavailable(
                f"The process behind {self._socket} serves {served}, this one needs {self.collection}: "
                "give both the same release and the same embedding settings."
            )

    async def close(self) -> None:
        async with self._turn:
            self._hang_up()

    async def _ask(self, method: str, **arguments: Any) -> Any:
        """One exchange; whatever interrupts it, the connection is dropped, so that no answer meets the wrong call."""
        async with self._turn:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    answer = await self._exchange(encoded({"method": method, "arguments": arguments}))
            except (OSError, EOFError, ValueError) as broken:
                self._hang_up()
                raise VectorsUnavailable(f"The process behind {self._socket} does not answer.") from broken
            except BaseException:
                self._hang_up()
                raise
        if "error" in answer:
            raise VectorsUnavailable(str(answer["error"]))
        return answer["result"]

    async def _exchange(self, request: bytes) -> dict[str, Any]:
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(self._socket, limit=MAX_LINE)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the answer was cut off")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _hang_up(self) -> None:
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            writer.close()
