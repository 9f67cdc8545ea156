"""Answers being written in this process, detached from the requests that asked for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Producers:
    """Keeps tasks alive and ends them in order: first they may finish, then they are told to stop, then they are left to the sweep."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.closing = asyncio.Event()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run `work` until it ends, whoever leaves."""
        task = asyncio.create_task(work(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self, grace_s: float, stopping_s: float = 3) -> None:
        """Wait for what runs; after `grace_s` set `closing`, on which producers end their streams as interrupted."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        self.closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=stopping_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed; the sweep will end it", task.get_name(), exc_info=error)
