"""Hands events to the listeners of this process at once; listeners elsewhere read the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from uuid import UUID

from shared.streams.events import StreamEvent


class Listener:
    """One follower's inlet: events that a producer here handed over, or a mere wake-up to read the database again."""

    def __init__(self) -> None:
        self._events: list[StreamEvent] = []
        self._woken = asyncio.Event()

    def push(self, event: StreamEvent | None) -> None:
        """Wake the follower, with or without an event."""
        if event is not None:
            self._events.append(event)
        self._woken.set()

    async def wait(self, timeout_s: float) -> tuple[list[StreamEvent], bool]:
        """Events since the last call, and whether anything woke us before the time was over."""
        try:
            await asyncio.wait_for(self._woken.wait(), timeout_s)
        except TimeoutError:
            return [], False
        self._woken.clear()
        events, self._events = self._events, []
        return events, True


class StreamHub:
    """Who listens to what in this process. Belongs to one event loop."""

    def __init__(self) -> None:
        self._listeners: dict[UUID, set[Listener]] = defaultdict(set)
        self._cancels: dict[UUID, asyncio.Event] = {}

    def publish(self, stream_id: UUID, event: StreamEvent) -> None:
        """Give an event to everybody who follows this stream here."""
        for listener in self._listeners.get(stream_id, ()):
            listener.push(event)

    def wake(self, stream_id: UUID) -> None:
        """Say that the database has something new."""
        for listener in self._listeners.get(stream_id, ()):
            listener.push(None)

    @contextmanager
    def listen(self, stream_id: UUID) -> Generator[Listener]:
        """Listen until the block ends."""
        listener = Listener()
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
        self._cancels[stream_id] = event = asyncio.Event()
        try:
            yield event
        finally:
            del self._cancels[stream_id]

    def cancel(self, stream_id: UUID) -> None:
        """Tell a producer of this process at once; one elsewhere hears it with its next flush."""
        if event := self._cancels.get(stream_id):
            event.set()
