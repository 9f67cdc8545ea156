"""Taking back what silent workers hold. It runs inside claims, so that it needs no scheduler: whoever wants work frees what is stuck."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from inference import queue

if TYPE_CHECKING:
    from shared.db import Database

    from inference.queue import JobRef
    from inference.settings import DispatchSettings

_EVERY_S = 1.0
# Claims that come back empty ask at once, but many of them together ask once.
_AT_LEAST_S = 0.02


class Rescuer:
    """One rescue at a time in this process; `touched` is told of jobs whose tasks were lost."""

    def __init__(
        self, database: Database, settings: DispatchSettings, touched: Callable[[Sequence[JobRef]], None]
    ) -> None:
        self._database = database
        self._settings = settings
        self._touched = touched
        self._last = float("-inf")
        self._running = asyncio.Lock()

    async def if_due(self) -> None:
        """Rescue if nobody here has done so for a second."""
        if time.monotonic() - self._last >= _EVERY_S and not self._running.locked():
            await self.now()

    async def now(self, *, certainly: bool = False) -> int:
        """Rescue, unless that has just been done; how many tasks can be claimed now that could not be before."""
        async with self._running:
            if not certainly and time.monotonic() - self._last < _AT_LEAST_S:
                return 0
            self._last = time.monotonic()
            rescued = await queue.rescue(self._database, self._settings.lease_s, self._settings.silence_s)
        self._touched(rescued.jobs)
        return rescued.ready
