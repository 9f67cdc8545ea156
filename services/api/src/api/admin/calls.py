"""The record of calls: gathered in memory, written in batches, so that no request waits for it.

Nothing runs while nothing is called: the first call of a batch sets the timer. A killed process loses a second of it, which a log may.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING

from api.admin import store

if TYPE_CHECKING:
    from shared.db import Database
    from shared.http.access import AccessLog

_EVERY_S = 1.0
_BATCH = 500
# What piles up while the database is away is bounded; the oldest goes first.
_MOST = 5_000

log = logging.getLogger(__name__)


class CallRecord:
    """Takes finished calls and writes them within a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._calls: deque[tuple[float, AccessLog]] = deque(maxlen=_MOST)
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, call: AccessLog) -> None:
        """Note a call; never waits and never fails."""
        self._calls.append((time.monotonic(), call))
        if self._writing is None and not self._closed:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon(), name="call-record")

    async def close(self) -> None:
        """Write what is left."""
        self._closed = True
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._write()

    async def _write_soon(self) -> None:
        try:
            await asyncio.sleep(_EVERY_S)
            await self._write()
        finally:
            self._writing = None

    async def _write(self) -> None:
        while self._calls:
            now = time.monotonic()
            batch = [self._calls.popleft() for _ in range(min(_BATCH, len(self._calls)))]
            try:
                async with self._database.service_tx() as connection:
                    await store.add_logs(connection, [(now - at, call) for at, call in batch])
            except Exception:
                log.warning("%d calls could not be recorded", len(batch), exc_info=True)
                return
