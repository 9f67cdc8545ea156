"""Lets other processes of this machine and this user work with the index that this one owns."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.errors import Problem
from shared.text.sparse import SparseVector
from shared.vectors.errors import DenseVectorMisfit
from shared.vectors.port import PayloadChange, VectorFilter, VectorHit, VectorIndex, VectorPoint
from shared.vectors.wire import MAX_LINE, encoded, plain, typed

_log = logging.getLogger(__name__)

Arguments = dict[str, Any]


class VectorServer:
    """Answers `RemoteIndex` on a Unix socket that only this user may open, until it is closed."""

    def __init__(self, index: VectorIndex, socket: Path) -> None:
        self._index = index
        self._socket = socket
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._methods: dict[str, Callable[[Arguments], Awaitable[Any]]] = {
            "ready": self._ready,
            "upsert": self._upsert,
            "replace_entry": self._replace_entry,
            "set_payload": self._set_payload,
            "delete_entry": lambda given: index.delete_entry(UUID(given["entry_id"])),
            "delete_space": lambda given: index.delete_space(UUID(given["space_id"])),
            "search": self._search,
            "count": lambda given: index.count(typed(VectorFilter, given["wanted"])),
            "entry_points": self._entry_points,
        }

    async def start(self) -> None:
        """Listen; a socket left behind by a process that died is replaced."""
        self._socket.parent.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, self._socket, limit=MAX_LINE)
        self._socket.chmod(0o600)

    async def close(self) -> None:
        """Stop listening and drop open connections; the index stays open."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._socket.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            while line := await reader.readline():
                writer.write(encoded(await self._answer(line)))
                await writer.drain()
        except (ConnectionError, ValueError) as broken:
            _log.info("a vector client went away: %s", broken)
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            return {"result": await self._methods[request["method"]](request["arguments"])}
        except Problem as problem:
            return {"error": problem.detail}
        except (DenseVectorMisfit, KeyError, TypeError, ValueError) as refused:
            return {"error": f"The request cannot be served: {refused}"}

    async def _ready(self, given: Arguments) -> str:
        del given
        await self._index.ready()
        return self._index.collection

    async def _upsert(self, given: Arguments) -> None:
        await self._index.upsert(typed(list[VectorPoint], given["points"]))

    async def _replace_entry(self, given: Arguments) -> bool:
        points = typed(list[VectorPoint], given["points"])
        return await self._index.replace_entry(UUID(given["entry_id"]), int(given["version"]), points)

    async def _set_payload(self, given: Arguments) -> None:
        await self._index.set_payload(UUID(given["entry_id"]), typed(PayloadChange, given["change"]))

    async def _search(self, given: Arguments) -> Any:
        sparse, wanted = typed(SparseVector, given["sparse"]), typed(VectorFilter, given["wanted"])
        hits = await self._index.search(sparse, given["dense"], wanted, int(given["limit"]))
        return plain(list[VectorHit], hits)

    async def _entry_points(self, given: Arguments) -> list[str]:
        return [str(point) for point in await self._index.entry_points(UUID(given["entry_id"]))]
