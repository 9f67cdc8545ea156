"""Hands events to the listeners of this process at once; listeners elsewhere read the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from shared.streams.events import StreamEvent

_STORING_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Woken:
    """Why a follower woke: `events` were handed over, the database is worth a `look`, or nothing happened (`idle`)."""

    events: list[StreamEvent]
    look: bool
    idle: bool


class Listener:
    """One follower's inlet: events that a producer here handed over, or a mere wake-up to read the database again."""

    def __init__(self, backlog: list[StreamEvent]) -> None:
        self._events = list(backlog)
        self._nudged = False
        self._woken = asyncio.Event()
        if backlog:
            self._woken.set()

    def push(self, event: StreamEvent | None) -> None:
        """Wake the follower, with an event or with the news that the database has one."""
        if event is None:
            self._nudged = True
        else:
            self._events.append(event)
        self._woken.set()

    async def wait(self, timeout_s: float) -> Woken:
        """What has come since the last call; empty, and a reason to look, when the time is over."""
        if not self._woken.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._woken.wait()
            except TimeoutError:
                return Woken([], look=True, idle=True)
        self._woken.clear()
        woken = Woken(self._events, look=self._nudged, idle=False)
        self._events, self._nudged = [], False
        return woken


class _Production:
    """A stream that is being written in this process: everything handed out so far, and the stop button."""

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.cancelled = asyncio.Event()


class StreamHub:
    """Who listens to what in this process. Belongs to one event loop.

    While a producer is here its events are kept in memory as well, so that whoever joins needs nothing that is not stored yet.
    """

    def __init__(self) -> None:
        self._listeners: dict[UUID, set[Listener]] = defaultdict(set)
        self._productions: dict[UUID, _Production] = {}
        # Storing events in the background must not take every connection from the requests that wait for one.
        self.storing = asyncio.Semaphore(_STORING_AT_ONCE)

    @property
    def active(self) -> int:
        """How many streams are being written here."""
        return len(self._productions)

    def produces(self, stream_id: UUID) -> bool:
        """Whether this stream is being written here."""
        return stream_id in self._productions

    def publish(self, stream_id: UUID, event: StreamEvent) -> None:
        """Give an event to everybody who follows this stream here."""
        if production := self._productions.get(stream_id):
            production.events.append(event)
        for listener in self._listeners.get(stream_id, ()):
            listener.push(event)

    def wake(self, stream_id: UUID) -> None:
        """Say that the database has something new."""
        for listener in self._listeners.get(stream_id, ()):
            listener.push(None)

    @contextmanager
    def listen(self, stream_id: UUID) -> Generator[Listener]:
        """Listen until the block ends; what a producer here has handed out so far comes first."""
        production = self._productions.get(stream_id)
        listener = Listener(production.events if production else [])
        self._listeners[stream_id].add(listener)
        try:
            yield listener
        finally:
            self._listeners[stream_id].discard(listener)
            if not self._listeners[stream_id]:
                del self._listeners[stream_id]

    @contextmanager
    def producing(self, stream_id: UUID) -> Generator[asyncio.Event]:
        """Announce a producer here; the event is set when somebody presses stop in this process."""
        production = self._productions[stream_id] = _Production()
        try:
            yield production.cancelled
        finally:
            del self._productions[stream_id]

    def cancel(self, stream_id: UUID) -> None:
        """Tell a producer of this process at once; one elsewhere hears it with its next flush."""
        if production := self._productions.get(stream_id):
            production.cancelled.set()
