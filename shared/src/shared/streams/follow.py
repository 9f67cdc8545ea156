"""Follows a stream: what is stored, then what comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
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
# A producer here wakes its followers itself; reading the database again only guards against one that died without a word.
_POLL_BESIDE_PRODUCER_S = 5.0
_PAGE = 500


class StreamFollower:
    """Replays and follows streams for one reader; `transaction` opens transactions as that reader."""

    def __init__(self, transaction: Callable[[], AbstractAsyncContextManager[Connection]], hub: StreamHub) -> None:
        self._transaction = transaction
        self._hub = hub

    async def follow(self, stream_id: UUID, after: int = 0, *, mine: bool = False) -> AsyncGenerator[StreamEvent]:
        """Events after `after`, each once and in order, up to the terminal one.

        Ends without a terminal event only when the reader was already past it, or may no longer see the stream. `mine` says that the caller has
        just made the stream or looked it up as this reader: while its producer is here, nothing has to be read first.
        """
        with self._hub.listen(stream_id) as listener:
            last, poll = after, _POLL_MIN_S
            looking = not (mine and self._hub.produces(stream_id))
            while True:
                if looking:
                    stored, over = await self._read(stream_id, last)
                    for event in stored:
                        last = event.seq
                        yield event
                        if event.terminal:
                            return
                    if over and not stored:
                        return
                    if len(stored) == _PAGE:
                        continue
                    poll = _POLL_MIN_S if stored else poll
                woken = await listener.wait(_POLL_BESIDE_PRODUCER_S if self._hub.produces(stream_id) else poll)
                poll = min(poll * 1.5, _POLL_MAX_S) if woken.idle else _POLL_MIN_S
                looking = woken.look
                async for event in self._without_gaps(stream_id, last, woken.events):
                    last = event.seq
                    yield event
                    if event.terminal:
                        return

    async def _without_gaps(
        self, stream_id: UUID, last: int, handed: Sequence[StreamEvent]
    ) -> AsyncGenerator[StreamEvent]:
        """Events that were handed over, and before each what an earlier producer has stored and we have not seen."""
        for event in handed:
            while event.seq > last + 1:
                stored, _ = await self._read(stream_id, last)
                for earlier in stored:
                    last = earlier.seq
                    yield earlier
                if len(stored) < _PAGE:
                    break
            if event.seq > last:
                last = event.seq
                yield event

    async def _read(self, stream_id: UUID, last: int) -> tuple[list[StreamEvent], bool]:
        async with self._transaction() as connection:
            stream = await store.find(connection, stream_id)
            if stream is None:
                return [], True
            over = stream["status"] != "running" and stream["last_seq"] <= last
            return await store.read(connection, stream_id, last, _PAGE), over
