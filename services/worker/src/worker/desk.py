"""Reports on their way to the dispatcher: each is repeated until it is answered; what gathers meanwhile goes in one call."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from shared.contracts.dispatch import Exchange, Exchanged, Report

from worker.backoff import Backoff
from worker.refusals import Away, LeaseGone, Refused

if TYPE_CHECKING:
    from worker.dispatcher import Dispatcher

log = logging.getLogger("worker.reports")
_MOST = 100
_GONE = frozenset({"lease_lost", "task_cancelled", "task_not_found"})
Pending = tuple[Report, asyncio.Future[str]]


class ReportDesk:
    """`report` waits for the answer; `run` sends; whoever makes a call anyway may `take` what waits along with it."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._waiting: deque[Pending] = deque()
        self._arrived = asyncio.Event()

    async def report(self, report: Report) -> str:
        """The task's status once the dispatcher has answered. Raises `LeaseGone` or `Refused`."""
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((report, answered))
        self._arrived.set()
        return await answered

    def take(self) -> list[Pending]:
        """The reports that wait, for a call that is made now; they are settled or put back."""
        taken: list[Pending] = []
        while self._waiting and len(taken) < _MOST:
            pending = self._waiting.popleft()
            if not pending[1].done():
                taken.append(pending)
        return taken

    def put_back(self, taken: list[Pending]) -> None:
        """They were not answered, or not all."""
        self._waiting.extendleft(reversed([pending for pending in taken if not pending[1].done()]))
        self._arrived.set()

    def settle(self, taken: list[Pending], exchanged: Exchanged) -> None:
        """They were answered, in their order."""
        for (report, answered), outcome in zip(taken, exchanged.reports, strict=False):
            if outcome.status is not None:
                _answer(answered, outcome.status)
            elif outcome.code in _GONE:
                _answer(answered, LeaseGone(outcome.code, outcome.detail or ""))
            else:
                _answer(answered, Refused(422, outcome.code or "unknown", outcome.detail or ""))
            log.debug("%s: %s", report.task_id, outcome.status or outcome.code)

    async def run(self) -> None:
        """Send what comes, until cancelled."""
        backoff = Backoff()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while taken := self.take():
                try:
                    await self._send(taken)
                    backoff.reset()
                except Away as away:
                    self.put_back(taken)
                    pause_s = backoff.next_s(away.after_s)
                    log.warning("%s; %d reports wait %.1f s", away, len(self._waiting), pause_s)
                    await asyncio.sleep(pause_s)
                except BaseException:
                    self.put_back(taken)
                    raise

    async def _send(self, taken: list[Pending]) -> None:
        if len(taken) > 1:
            try:
                exchanged = await self._dispatcher.exchange(Exchange(reports=[report for report, _ in taken]))
            except (LeaseGone, Refused) as refused:
                log.warning("The exchange was refused (%s); the reports go one by one", refused)
            else:
                self.settle(taken, exchanged)
                return
        for report, answered in taken:
            try:
                _answer(answered, (await self._dispatcher.report(report)).status)
            except (LeaseGone, Refused) as refused:
                _answer(answered, refused)


def _answer(answered: asyncio.Future[str], outcome: str | Exception) -> None:
    if answered.done():
        return
    if isinstance(outcome, Exception):
        answered.set_exception(outcome)
    else:
        answered.set_result(outcome)
