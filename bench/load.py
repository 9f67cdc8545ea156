"""A client that costs as little as one in Python can: prepared bytes over kept-alive connections, the same for ours and for the peer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

_UNANSWERED_S = 30


@dataclass(frozen=True)
class Load:
    """What a period of load gave."""

    per_second: float
    latencies_ms: list[float]
    statuses: dict[int, int]


def request(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    """A GET as bytes."""
    lines = [f"GET {path} HTTP/1.1", "Host: bench", *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def press(port: int, wanted: bytes, *, connections: int, seconds: float) -> Load:
    """Send `wanted` again and again on each connection, the next when the last was answered."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    clients = [_Client(wanted, until) for _ in range(connections)]
    started = time.perf_counter()
    for client in clients:
        await loop.create_connection(partial(_itself, client), "127.0.0.1", port)
    async with asyncio.timeout(seconds + _UNANSWERED_S):
        await asyncio.gather(*(client.done.wait() for client in clients))
    elapsed = time.perf_counter() - started
    latencies = [latency for client in clients for latency in client.latencies_ms]
    statuses: dict[int, int] = {}
    for client in clients:
        for status, count in client.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    return Load(len(latencies) / elapsed, latencies, statuses)


class _Client(asyncio.Protocol):
    def __init__(self, wanted: bytes, until: float) -> None:
        self.done = asyncio.Event()
        self.latencies_ms: list[float] = []
        self.statuses: dict[int, int] = {}
        self._wanted = wanted
        self._until = until
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self.latencies_ms.append((now - self._sent) * 1000)
        status = int(head[9:12])
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self._received = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.done.set()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._wanted)


def _itself(client: _Client) -> _Client:
    return client
