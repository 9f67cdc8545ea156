"""Things to do later, on threads of the peer's own."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_THREADS = 48

log = logging.getLogger(__name__)


class Scheduler:
    """Runs functions when they are due, several at once."""

    def __init__(self) -> None:
        self._due = threading.Condition()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._closing = False
        self._pool = ThreadPoolExecutor(_THREADS, "google-peer")
        self._thread = threading.Thread(target=self._run, name="google-peer-clock", daemon=True)
        self._thread.start()

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Run `work` in so many seconds; after `close` nothing runs."""
        with self._due:
            heapq.heappush(self._heap, (time.monotonic() + max(seconds, 0.0), next(self._numbers), work))
            self._due.notify()

    def close(self) -> None:
        """Forget what waits and let run what runs."""
        with self._due:
            self._closing = True
            self._heap.clear()
            self._due.notify()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while True:
            with self._due:
                while not self._closing and (not self._heap or self._heap[0][0] > time.monotonic()):
                    self._due.wait(self._heap[0][0] - time.monotonic() if self._heap else None)
                if self._closing:
                    return
                _, _, work = heapq.heappop(self._heap)
            self._pool.submit(_guarded, work)


def _guarded(work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        log.exception("the peer of Google made a mistake")
