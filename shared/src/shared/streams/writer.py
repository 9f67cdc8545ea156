"""A stream's single producer: numbers events, hands them to listeners at once, stores them in small batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.streams import store
from shared.streams.events import StreamEvent, StreamStatus

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.streams.hub import StreamHub

Transaction = Callable[[], AbstractAsyncContextManager["Connection"]]

log = logging.getLogger(__name__)

_FLUSH_S = 0.04
# With many streams at once each is stored in larger batches, so that storing does not take the time that handing out needs.
_FLUSH_EACH_S = 0.012
_FLUSH_MOST_S = 2.5


class StreamWriter:
    """Use as `async with StreamWriter(...) as writer`; `emit` never waits, `finish` ends the stream.

    `transaction` opens transactions that may write the stream. `cancelled` is set when somebody asked to stop, here or on another instance, or when
    the stream was ended by somebody else. Leaving the block without `finish` stores what there is and leaves the stream running for the sweep.
    """

    def __init__(
        self, stream_id: UUID, transaction: Transaction, hub: StreamHub, *, lease_s: float = 30, last_seq: int = 0
    ) -> None:
        self._stream_id = stream_id
        self._transaction = transaction
        self._hub = hub
        self._lease_s = lease_s
        self._seq = last_seq
        self._events: list[StreamEvent] = []
        self._stored = 0
        self._terminal: StreamEvent | None = None
        self._announced = False
        self._loop: asyncio.Task[None] | None = None
        self._dirty = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __aenter__(self) -> StreamWriter:
        self._announcement = self._hub.producing(self._stream_id)
        self.cancelled = self._announcement.__enter__()
        self._loop = asyncio.create_task(self._flush_forever(), name=f"stream-{self._stream_id}")
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._loop is not None:
                self._loop.cancel()
                await asyncio.gather(self._loop, return_exceptions=True)
            if self._stored < len(self._events) and not self._announced:
                await self.flush()
        finally:
            self._announcement.__exit__(None, None, None)
            # Followers here waited for us alone; from now on they have to look for themselves.
            self._hub.wake(self._stream_id)

    def emit(self, type_: str, data: dict[str, Any]) -> StreamEvent:
        """Number an event and hand it to the listeners here; it is stored within some tens of milliseconds."""
        self._seq += 1
        event = StreamEvent(self._seq, type_, data)
        self._events.append(event)
        self._hub.publish(self._stream_id, event)
        self._dirty.set()
        return event

    async def flush(self) -> None:
        """Store what was emitted; storing an event twice is storing it once.

        It does not wait for the disk, which with many streams would be busy with nothing else. A crash of the database server then takes the last
        moments with it, so after any failure everything is stored again, and so it is with the end, which does wait.
        """
        start, end = self._stored, len(self._events)
        try:
            async with self._transaction() as connection:
                stop = await store.append_numbered(
                    connection, self._stream_id, self._events[start:end], self._lease_s, wait_for_disk=False
                )
        except BaseException:
            self._stored = 0
            raise
        self._stored = max(self._stored, end)
        if stop:
            self.cancelled.set()

    async def finish(self, connection: Connection, status: StreamStatus, type_: str, data: dict[str, Any]) -> bool:
        """End the stream in the transaction that stores its result; call `announce` after the commit.

        False when somebody else has ended it: then the result must not be stored either. It may be called again when the commit failed.
        """
        # It waits for no flush: that one may be waiting for a connection, of which we hold one.
        await store.append_numbered(connection, self._stream_id, self._events, self._lease_s)
        terminal = StreamEvent(self._seq + 1, type_, data)
        ended = await store.finish(connection, self._stream_id, status, terminal)
        self._terminal = terminal if ended else None
        return ended

    def announce(self) -> None:
        """Hand the terminal event to the listeners here."""
        self._announced = True
        if self._terminal is not None:
            self._hub.publish(self._stream_id, self._terminal)
        self._hub.wake(self._stream_id)

    def _interval(self) -> float:
        return min(_FLUSH_MOST_S, _FLUSH_S + _FLUSH_EACH_S * self._hub.active, self._lease_s / 3)

    async def _flush_forever(self) -> None:
        while True:
            try:
                # Also with nothing to store: the lease wants renewing and a stop pressed elsewhere wants hearing.
                async with asyncio.timeout(min(max(1.0, self._interval()), self._lease_s / 3)):
                    await self._dirty.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(self._interval())
            self._dirty.clear()
            try:
                async with self._hub.storing:
                    await self.flush()
            except Exception:
                log.warning(
                    "events of a stream are not stored yet; they are kept and stored with the next flush", exc_info=True
                )
                self._dirty.set()
                await asyncio.sleep(_FLUSH_S * 10)
