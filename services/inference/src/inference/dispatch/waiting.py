"""Workers that wait for a task. One loop for the whole process looks on behalf of all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from shared.studio.matching import can_run

if TYPE_CHECKING:
    from shared.contracts.dispatch import Capabilities
    from shared.db import Database

    from inference.dispatch.board import QueueBoard
    from inference.queue import Queue
    from inference.rescue import Rescuer

CHANNEL = "maru_tasks"
_LOOK_EVERY_S = 1.0
# Many small jobs that come at once are one reason to look.
_DEBOUNCE_S = 0.005

log = logging.getLogger(__name__)


class Waiter:
    """One worker that waits."""

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities
        self._called = asyncio.Event()

    def call(self) -> None:
        """Tell it to try again."""
        self._called.set()

    async def called(self, timeout_s: float) -> None:
        """Return when it is worth trying again, or when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._called.wait()
        self._called.clear()


class WaitingRoom:
    """Hears of new tasks by LISTEN where that is possible, looks every second anyway, and calls as many workers as there is work for."""

    def __init__(self, database: Database, board: QueueBoard, rescuer: Rescuer, *, listens: bool) -> None:
        self._database = database
        self._board = board
        self._rescuer = rescuer
        self._listens = listens
        # In the order of their coming.
        self._waiters: dict[Waiter, None] = {}
        self._news = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._ear: asyncio.Task[None] | None = None

    @contextmanager
    def join(self, capabilities: Capabilities) -> Generator[Waiter]:
        """Wait in the room until the block ends; who is called inside it tries again."""
        waiter = Waiter(capabilities)
        self._waiters[waiter] = None
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._look(), name="dispatch-waiting")
        if self._listens and (self._ear is None or self._ear.done()):
            self._ear = asyncio.create_task(self._listen(), name="dispatch-listening")
        try:
            yield waiter
        finally:
            del self._waiters[waiter]

    def nudge(self) -> None:
        """Something may have become ready."""
        self._news.set()

    async def close(self) -> None:
        """Stop looking."""
        for task in (self._loop, self._ear):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _look(self) -> None:
        while self._waiters:
            try:
                await self._rescuer.now()
                self._call(await self._board.read(len(self._waiters)))
            except Exception as failure:  # noqa: BLE001 - the room outlives a database that is away for a while
                log.warning("could not look for tasks: %s", type(failure).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._news.wait()
                    await asyncio.sleep(_DEBOUNCE_S)
            self._news.clear()

    def _call(self, queues: list[Queue]) -> None:
        left = list(self._waiters)
        for queue in queues:
            room = queue.ready
            for waiter in [*left] if room else ():
                if room and can_run(waiter.capabilities, queue.runner, queue.requires):
                    waiter.call()
                    left.remove(waiter)
                    room -= 1

    async def _listen(self) -> None:
        def heard(*_: Any) -> None:
            self._news.set()

        with suppress(OSError):
            async with self._database.listener() as connection:
                await connection.add_listener(CHANNEL, heard)
                self._news.set()
                while self._waiters and not connection.is_closed():  # noqa: ASYNC110 - a dead connection says nothing
                    await asyncio.sleep(_LOOK_EVERY_S)
