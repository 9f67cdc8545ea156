"""The queues that there are, as this process last saw them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from inference import queue
from inference.choosing import Rotation, servable

if TYPE_CHECKING:
    from shared.contracts.dispatch import Capabilities
    from shared.db import Database

    from inference.queue import Queue

_FRESH_S = 1.0
_PUSH_S = 1.0


class QueueBoard:
    """Read again when it is a second old, or when somebody found nothing in what it names."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: list[Queue] = []
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._pushed_at = float("-inf")
        self.rotation = Rotation()

    async def for_worker(self, capabilities: Capabilities) -> list[int]:
        """The queues that this worker can serve, in the order in which to look."""
        if time.monotonic() - self._read_at > _FRESH_S:
            await self.read()
        return self.rotation.order(servable(self._queues, capabilities))

    async def read(self, most: int = 1) -> list[Queue]:
        """Look again, counting what is ready up to `most` for each queue."""
        async with self._reading:
            async with self._database.dispatch_tx() as connection:
                self._queues = await queue.ready_queues(connection, most)
            self._read_at = time.monotonic()
        return self._queues

    def time_to_push(self) -> bool:
        """About once a second: whether this claim should write down how far its queue has come."""
        now = time.monotonic()
        if now - self._pushed_at < _PUSH_S:
            return False
        self._pushed_at = now
        return True
