"""The worker protocol over one kept-alive connection, at the least cost that Python allows: for simulations and benchmarks of many workers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the dispatcher said; an empty body is None."""

    status: int
    body: Any


class WorkerClient:
    """Calls one after another. A connection that breaks is a `ConnectionError`, and the next call opens another."""

    def __init__(self, url: str, token: str, *, timeout_s: float = 30, headers: str = "") -> None:
        """`headers` are lines of a request, each ending in CRLF."""
        target = urlsplit(url)
        assert target.hostname is not None
        self._host, self._port = target.hostname, target.port or 80
        self._timeout_s = timeout_s
        self._head = (
            f"Host: {target.netloc}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{headers}"
        )
        self._wire: _Wire | None = None

    async def call(self, name: str, body: dict[str, Any]) -> Answer:
        """`POST /api/v1/worker/{name}`."""
        wire = await self._open()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await wire.ask(self._request(name, body))
        except TimeoutError as silent:
            self.hang_up()
            raise ConnectionError(f"no answer to {name} within {self._timeout_s} s") from silent
        except BaseException:
            self.hang_up()
            raise

    async def call_unheard(self, name: str, body: dict[str, Any]) -> None:
        """Send a call and hang up before its answer comes: whether it took effect is not known."""
        wire = await self._open()
        wire.send(self._request(name, body))
        await asyncio.sleep(0)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection, as a machine that goes away does."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    async def _open(self) -> _Wire:
        if self._wire is None or self._wire.closed:
            loop = asyncio.get_running_loop()
            try:
                _, self._wire = await loop.create_connection(_Wire, self._host, self._port)
            except OSError as away:
                raise ConnectionError(str(away)) from away
        return self._wire

    def _request(self, name: str, body: dict[str, Any]) -> bytes:
        content = json.dumps(body).encode()
        head = f"POST /api/v1/worker/{name} HTTP/1.1\r\n{self._head}Content-Length: {len(content)}\r\n\r\n"
        return head.encode() + content


class _Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self.closed = False
        self._received = b""
        self._waiting: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by inheritance.
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, request: bytes) -> Answer:
        self._waiting = asyncio.get_running_loop().create_future()
        if self.closed:
            raise ConnectionError("the connection is closed")
        self._transport.write(request)
        return await self._waiting

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(_END_OF_HEAD)
        if not separator:
            return
        status = int(head[9:12])
        _, found, rest = head.lower().partition(_LENGTH)
        length = int(rest.split(b"\r\n", 1)[0]) if found else 0
        if len(body) < length:
            return
        self._received = b""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(Answer(status, json.loads(body) if body else None))

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("the connection broke"))
