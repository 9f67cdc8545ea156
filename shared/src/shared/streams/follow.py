"""Follows a stream: what is stored, then what comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING
from uuid import UUID

from shared.streams import store
from shared.streams.events import StreamEvent

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.streams.hub import StreamHub

_POLL_MIN_S = 0.05
_POLL_MAX_S = 1.0


class StreamFollower:
    """Replays and follows streams for one reader; `transaction` opens transactions as that reader."""

    def __init__(self, transaction: Callable[[], AbstractAsyncContextManager[Connection]], hub: StreamHub) -> None:
        self._transaction = transaction
        self._hub = hub

    async def follow(self, stream_id: UUID, after: int = 0) -> AsyncGenerator[StreamEvent]:
        """Events after `after`, each once and in order, up to the terminal one.

        Ends without a terminal event only when the reader was already past it, or may no longer see the stream.
        """
        with self._hub.listen(stream_id) as listener:
            last, poll = after, _POLL_MIN_S
            reading = True
            while True:
                if reading:
                    stored, ended = await self._read(stream_id, last)
                    for event in stored:
                        last = event.seq
                        yield event
                        if event.terminal:
                            return
                    if ended and not stored:
                        return
                handed, woken = await listener.wait(poll)
                poll = _POLL_MIN_S if woken else min(poll * 1.5, _POLL_MAX_S)
                reading = not handed
                for event in handed:
                    if event.seq != last + 1 and event.seq > last:
                        reading = True
                        break
                    if event.seq > last:
                        last = event.seq
                        yield event

    async def _read(self, stream_id: UUID, last: int) -> tuple[list[StreamEvent], bool]:
        async with self._transaction() as connection:
            stream = await store.find(connection, stream_id)
            if stream is None:
                return [], True
            return await store.read(connection, stream_id, last), stream["status"] != "running" and stream[
                "last_seq"
            ] <= last
