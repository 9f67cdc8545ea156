"""Calls over kept connections, at a twentieth of a general client's cost: delivering must not cost more than the work it delivers.

It speaks as much of HTTP/1.1 as our own services need: POST with a body, an answer with a length or in chunks, keep-alive, no redirect, no proxy.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from maru.deliverer.caller import Answer

if TYPE_CHECKING:
    import httptools

_IDLE_KEPT = 64
# Less than the server's own limit (75 s), so that a connection is not used in the moment the server closes it.
_IDLE_KEPT_S = 30.0
_ANSWER_KEPT = 4096
_CONNECT_S = 5.0


class HttpCaller:
    """The `Caller` of the one-machine runtime; plain HTTP to hosts of this machine or this network."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, int], list[_Connection]] = defaultdict(list)

    async def post(self, url: str, body: bytes, headers: dict[str, str], deadline_s: float) -> Answer:
        """One request, in `deadline_s` at most; it is repeated once when a kept connection turns out to have been closed before it was read."""
        parts = urlsplit(url)
        place = (parts.hostname or "127.0.0.1", parts.port or 80)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-length: {len(body)}\r\n{lines}\r\n"
        try:
            async with asyncio.timeout(deadline_s):
                return await self._exchange(place, head.encode("latin-1") + body)
        except TimeoutError:
            return Answer(0, f"no answer within {deadline_s:.0f} s")
        except (OSError, ProtocolBroken) as error:
            return Answer(0, str(error) or type(error).__name__)

    async def close(self) -> None:
        """Close the connections that are kept."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abandon()
        self._idle.clear()

    async def _exchange(self, place: tuple[str, int], request: bytes) -> Answer:
        connection = self._kept(place)
        if connection is not None:
            try:
                return await self._ask(connection, place, request)
            except ClosedBeforeAnswer:
                pass
        return await self._ask(await self._connect(place), place, request)

    async def _ask(self, connection: _Connection, place: tuple[str, int], request: bytes) -> Answer:
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.abandon()
            raise
        kept = self._idle[place]
        if connection.reusable and len(kept) < _IDLE_KEPT:
            connection.idle_since = asyncio.get_running_loop().time()
            kept.append(connection)
        else:
            connection.abandon()
        return answer

    def _kept(self, place: tuple[str, int]) -> _Connection | None:
        oldest_usable = asyncio.get_running_loop().time() - _IDLE_KEPT_S
        kept = self._idle[place]
        while kept:
            connection = kept.pop()
            if connection.reusable and connection.idle_since > oldest_usable:
                return connection
            connection.abandon()
        return None

    async def _connect(self, place: tuple[str, int]) -> _Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_S):
            _, connection = await loop.create_connection(_Connection, *place)
        return connection


class ProtocolBroken(Exception):
    """The other side does not speak HTTP, or hung up in the middle."""


class ClosedBeforeAnswer(ProtocolBroken):
    """The connection ended without a byte of an answer."""


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.reusable = True
        self.idle_since = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answered: asyncio.Future[Answer] | None = None
        self._heard = False
        self._body = b""
        self._retry_after_s: float | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send `request` and wait for the whole answer."""
        import httptools

        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._heard, self._body, self._retry_after_s = False, b"", None
        self._transport.write(request)
        return await self._answered

    def abandon(self) -> None:
        """Close, whatever is under way."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        # Not isinstance: uvloop's transports have the methods without the base class.
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes of the answer."""
        import httptools

        self._heard = True
        if self._parser is None:
            self.abandon()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ProtocolBroken(f"not an HTTP answer ({error})"))

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: disconnected."""
        self.reusable = False
        hung_up = "the service hung up" if exc is None else str(exc)
        self._fail(ProtocolBroken(hung_up) if self._heard else ClosedBeforeAnswer(hung_up))

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        if name.lower() == b"retry-after" and value.isdigit():
            self._retry_after_s = float(value)

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body; only as much is kept as a cause needs."""
        if len(self._body) < _ANSWER_KEPT:
            self._body += body[:_ANSWER_KEPT]

    def on_message_complete(self) -> None:
        """httptools: the answer is whole."""
        parser, self._parser = self._parser, None
        if parser is None or self._answered is None or self._answered.done():
            return
        self.reusable = self.reusable and parser.should_keep_alive()
        text = self._body.decode(errors="replace")
        self._answered.set_result(Answer(parser.get_status_code(), text, self._retry_after_s))

    def _fail(self, error: ProtocolBroken) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
