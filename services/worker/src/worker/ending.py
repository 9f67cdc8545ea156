"""Why an agent ends, and waiting for something else meanwhile."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")
log = logging.getLogger("worker")


class Ending:
    """`no_more`: nothing is claimed any more. `soon`: a signal; what runs may end in time. `at_once`: a second signal."""

    def __init__(self) -> None:
        self.no_more = asyncio.Event()
        self.soon = asyncio.Event()
        self.at_once = asyncio.Event()
        self._fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def drain(self) -> None:
        """The dispatcher asks for it: finish what is there, then end."""
        if not self.no_more.is_set():
            log.info("The dispatcher asks this worker to drain")
            self.no_more.set()

    def signalled(self) -> None:
        """SIGTERM or Ctrl-C."""
        if self.soon.is_set():
            log.info("Ending at once")
            self.at_once.set()
        else:
            log.info("Ending soon; a second signal ends at once")
            self.soon.set()
            self.no_more.set()

    def fail(self, error: BaseException) -> None:
        """Something that no task is to blame for: whoever waits in `unless` gets it."""
        if not self._fatal.done():
            self._fatal.set_exception(error)

    async def unless(self, event: asyncio.Event, doing: Coroutine[None, None, T]) -> T | None:
        """What `doing` comes to; None, and `doing` cancelled, once `event` is set. Raises what `fail` was given."""
        running = asyncio.ensure_future(doing)
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait({running, waiting, self._fatal}, return_when=asyncio.FIRST_COMPLETED)
            if self._fatal.done():
                self._fatal.result()
            return running.result() if running.done() else None
        finally:
            waiting.cancel()
            if not running.done():
                running.cancel()
                await asyncio.wait({running})
