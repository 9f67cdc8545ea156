"""Streams of numbered events, followed without blocking a page's thread.

One event loop in one thread reads every stream of the process; a page waits on a queue with a time limit, so that a
press on Stop is heard while a model is silent. A cut connection is taken up after the last event seen.
"""

import asyncio
import json
import queue
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx

from ui.core.api import ApiProblem, problem_of
from ui.core.settings import ui_settings

TERMINAL = frozenset({"done", "error", "failed", "cancelled", "interrupted"})
_WORTH_RETRYING = frozenset({401, 429, 500, 502, 503, 504})
_RECONNECTS = 12
_TIMEOUT = httpx.Timeout(45.0, connect=3.0)
# A relayed stream ends after this, and its browser proves itself anew when it comes back.
_RELAYED_S = 600.0


@dataclass(frozen=True)
class Event:
    """One numbered event; `source` names the stream where several are followed at once."""

    id: str
    type: str
    data: Mapping[str, Any]
    source: str = ""


@dataclass(frozen=True)
class Follow:
    """A stream to follow; with a `body` the first request is that POST and `resume` names the stream it began."""

    path: str
    source: str = ""
    body: Mapping[str, Any] | None = None
    key: str = ""
    after: str = ""


def parse(lines: Sequence[str], source: str = "") -> Event | None:
    """Read the lines of one event block; comments and blocks without data are nothing."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields.setdefault(name, []).append(value.removeprefix(" "))
    if "data" not in fields:
        return None
    data = json.loads("\n".join(fields["data"]))
    return Event(fields.get("id", [""])[-1], fields.get("event", ["message"])[-1], data, source)


class _Pump:
    """The loop that reads; its thread ends with the process."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = httpx.AsyncClient(base_url=ui_settings().api_url, timeout=_TIMEOUT)
        threading.Thread(target=self.loop.run_forever, name="sse", daemon=True).start()

    def start(self, reader: "_Reader") -> Future[None]:
        return asyncio.run_coroutine_threadsafe(reader.run(self.client), self.loop)


@lru_cache(maxsize=1)
def _pump() -> _Pump:
    return _Pump()


class _Reader:
    """One stream's state between its connections: where to read on, and after which event."""

    def __init__(self, follow: Follow, token: Callable[[], str], out: "queue.SimpleQueue[Event | ApiProblem]") -> None:
        self._follow = follow
        self._token = token
        self._out = out
        self._last = follow.after
        self._path = follow.path
        self._begun = follow.body is None
        self._failures = 0

    async def run(self, client: httpx.AsyncClient) -> None:
        """Read to the terminal event, reconnecting with growing pauses; what cannot go on is put as a problem."""
        while self._failures < _RECONNECTS:
            try:
                if await self._read(client):
                    return
            except ApiProblem as problem:
                if problem.status not in _WORTH_RETRYING:
                    self._out.put(problem)
                    return
            except httpx.HTTPError:
                pass
            self._failures += 1
            await asyncio.sleep(min(0.05 * 2**self._failures, 3.0))
        self._out.put(ApiProblem(0, "unreachable"))

    async def _read(self, client: httpx.AsyncClient) -> bool:
        headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {await asyncio.to_thread(self._token)}"}
        if self._begun and self._last:
            headers["Last-Event-ID"] = self._last
        if not self._begun:
            headers["Idempotency-Key"] = self._follow.key
        method, body = ("GET", None) if self._begun else ("POST", self._follow.body)
        async with client.stream(method, self._path, headers=headers, json=body) as response:
            if not response.is_success:
                raise problem_of(response.status_code, await response.aread(), response.headers)
            async for event in _events(response, self._follow.source):
                self._note(event)
                if event.type in TERMINAL:
                    return True
        return False

    def _note(self, event: Event) -> None:
        if event.id and event.id == self._last:
            return
        self._last = event.id or self._last
        self._failures = 0
        if event.type == "start" and not self._begun:
            self._begun = True
            self._path = f"/api/v1/streams/{event.data['stream_id']}"
        self._out.put(event)


async def _events(response: httpx.Response, source: str) -> AsyncIterator[Event]:
    block: list[str] = []
    async for line in response.aiter_lines():
        if line:
            block.append(line)
            continue
        event = parse(block, source)
        block = []
        if event is not None:
            yield event


def follow(streams: Sequence[Follow], token: Callable[[], str], *, tick: float = 0.1) -> Iterator[Event | None]:
    """Yield the events of all streams until each has ended, and None whenever `tick` seconds bring nothing.

    A page must do something that Streamlit can interrupt at every None. Leaving the loop ends the reading, never the
    work behind it. A stream that cannot be read raises its `ApiProblem`.
    """
    out: queue.SimpleQueue[Event | ApiProblem] = queue.SimpleQueue()
    pump = _pump()
    readers = [pump.start(_Reader(stream, token, out)) for stream in streams]
    open_streams = len(readers)
    try:
        while open_streams:
            try:
                item = out.get(timeout=tick)
            except queue.Empty:
                yield None
                continue
            if isinstance(item, ApiProblem):
                raise item
            open_streams -= item.type in TERMINAL
            yield item
    finally:
        for reader in readers:
            reader.cancel()


@lru_cache(maxsize=1)
def _relay_client() -> httpx.AsyncClient:
    """For the loop that serves; a client belongs to one loop."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=8)
    return httpx.AsyncClient(base_url=ui_settings().api_url, timeout=_TIMEOUT, limits=limits)


async def relay(path: str, token: str, ending: asyncio.Event, after: str = "") -> tuple[int, AsyncIterator[bytes]]:
    """A stream as it comes, until `ending`, for a browser that reads it itself: the status, 200 or 204, and the bytes."""
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    if after:
        headers["Last-Event-ID"] = after
    client = _relay_client()
    try:
        response = await client.send(client.build_request("GET", path, headers=headers), stream=True)
        if not response.is_success:
            problem = problem_of(response.status_code, await response.aread(), response.headers)
            await response.aclose()
            raise problem
    except httpx.HTTPError as error:
        raise ApiProblem(0, "unreachable") from error
    return response.status_code, _relayed(response, ending)


async def _relayed(response: httpx.Response, ending: asyncio.Event) -> AsyncGenerator[bytes]:
    """End quietly when the gateway goes away: the browser comes back and asks for what it has not seen."""
    until = time.monotonic() + _RELAYED_S
    pieces = response.aiter_raw()
    ended = asyncio.ensure_future(ending.wait())
    try:
        while time.monotonic() < until:
            piece = asyncio.ensure_future(anext(pieces, b""))
            await asyncio.wait({piece, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not piece.done():
                piece.cancel()
                await asyncio.gather(piece, return_exceptions=True)
                return
            if not (content := piece.result()):
                return
            yield content
    except httpx.HTTPError:
        return
    finally:
        ended.cancel()
        await response.aclose()
