"""Lets records leave the process from a thread of its own, so that whoever makes them never waits and never fails."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
Send = Callable[[Sequence[T]], None]

_SAID_AGAIN_AFTER_S = 60.0

log = logging.getLogger(__name__)


class Outflow(Generic[T]):
    """Gathers records for a moment and sends them together; what does not fit in `capacity` is dropped and counted.

    `open_` runs in the thread before the first sending: client libraries are loaded there and nowhere else. A sending that fails loses its
    records: this is for what may be lost.
    """

    def __init__(
        self,
        name: str,
        open_: Callable[[], Send[T]],
        *,
        capacity: int = 2000,
        most_at_once: int = 200,
        gather_s: float = 0.5,
    ) -> None:
        self._name = name
        self._open = open_
        self._capacity = capacity
        self._most = most_at_once
        self._gather_s = gather_s
        self._waiting: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._silent_until = float("-inf")
        self.dropped = 0

    def put(self, record: T) -> None:
        """Take a record along; returns at once."""
        if self._closing or self._waiting.qsize() >= self._capacity:
            self.dropped += 1
            return
        self._waiting.put(record)
        if self._thread is None:
            self._start()

    def close(self, within_s: float = 2.0) -> None:
        """Send what waits, for so long at most; what is left then is lost."""
        self._closing = True
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join(within_s)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                # A daemon: one that hangs in a call does not keep the process from ending.
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        send: Send[T] | None = None
        over = False
        while not over:
            batch, over = self._gather()
            if not batch:
                continue
            try:
                send = send or self._open()
                send(batch)
            except Exception as failure:  # noqa: BLE001 - whatever it is, records that may be lost are lost
                self._say(failure, len(batch))

    def _gather(self) -> tuple[list[T], bool]:
        first = self._waiting.get()
        if first is None:
            return [], True
        batch, until = [first], time.monotonic() + self._gather_s
        while len(batch) < self._most:
            wait = 0 if self._closing else max(0.0, until - time.monotonic())
            try:
                record = self._waiting.get(timeout=wait) if wait else self._waiting.get_nowait()
            except queue.Empty:
                break
            if record is None:
                return batch, True
            batch.append(record)
        return batch, False

    def _say(self, failure: Exception, lost: int) -> None:
        self.dropped += lost
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _SAID_AGAIN_AFTER_S
            # The type alone: a client's message may quote what it was to send.
            log.warning("%s: %d records could not be sent (%s)", self._name, lost, type(failure).__name__)
