"""Leases are extended from a thread of its own: nothing that the rest of the agent does can hold it up."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING

from shared.contracts.dispatch import Heartbeat, HeartbeatAnswer, HeldTask

from worker.backoff import Backoff
from worker.refusals import Away, LeaseGone, Refused, TokenRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.dispatcher import HeartbeatLine
    from worker.work import Holdings

log = logging.getLogger("worker.heartbeats")


class Heartbeats:
    """`answered` gets what was said and what came back; it and `refused` are called in the heartbeat thread."""

    def __init__(
        self,
        line: HeartbeatLine,
        worker_id: str,
        every_s: float,
        held: Holdings,
        answered: Callable[[list[HeldTask], HeartbeatAnswer], None],
        refused: Callable[[TokenRefused], None],
    ) -> None:
        self._line = line
        self._worker_id = worker_id
        self._every_s = every_s
        self._held = held
        self._answered = answered
        self._refused = refused
        self._backoff = Backoff(0.5, max(0.5, every_s / 2))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a heartbeat on its way is not waited for."""
        self._stopping.set()

    def _run(self) -> None:
        pause_s = self._jittered()
        while not self._stopping.wait(pause_s):
            pause_s = self._beat()
        self._line.close()

    def _beat(self) -> float:
        """One heartbeat; how long to wait after it. An idle worker sends one too: it says that the machine lives."""
        said = self._held.snapshot()[:1000]
        try:
            answer = self._line.beat(Heartbeat(worker_id=self._worker_id, tasks=said))
        except Away as away:
            log.warning("%s", away)
            return self._backoff.next_s(away.after_s)
        except TokenRefused as refused:
            self._refused(refused)
            return self._jittered()
        except (Refused, LeaseGone) as refused:
            log.error("A heartbeat was refused: %s", refused)  # noqa: TRY400 - the detail says it all
            return self._jittered()
        self._backoff.reset()
        self._answered(said, answer)
        return self._jittered()

    def _jittered(self) -> float:
        return self._every_s * random.uniform(0.8, 1.0)  # noqa: S311 - a pause is no secret
