"""Claims tasks, with a claim that is repeated until its answer is known."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from shared.contracts.dispatch import Exchange, LeasedTask, NextTask

from worker.backoff import Backoff
from worker.refusals import Away, LeaseGone, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from worker.desk import ReportDesk
    from worker.dispatcher import Dispatcher
    from worker.folder import WorkFolder

log = logging.getLogger("worker.intake")
# How long a claim waits at the dispatcher for a task to come.
WAIT_S = 20.0
_DISK_PAUSE_S = 10.0


class Intake:
    """`wanted` says how many tasks there is room for, waiting until there is any; `take` gets each that was claimed, once it is written down."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        folder: WorkFolder,
        desk: ReportDesk,
        worker_id: str,
        take: Callable[[LeasedTask], object],
        register: Callable[[], Awaitable[object]],
    ) -> None:
        self._dispatcher = dispatcher
        self._folder = folder
        self._desk = desk
        self._worker_id = worker_id
        self._take = take
        self._register = register

    async def run(self, wanted: Callable[[], Awaitable[int]]) -> None:
        """Claim until the dispatcher asks for a drain, nothing is wanted ever again (0), or cancelled."""
        while (count := await wanted()) > 0:
            if not self._folder.room_for(0):
                log.error("The disk is nearly full: nothing is claimed until there is room")
                await asyncio.sleep(_DISK_PAUSE_S)
            elif await self._claim(count):
                return

    async def unanswered(self) -> None:
        """Take what a claim whose answer is not known was given; new tasks only if it never arrived."""
        claim_id = self._folder.claim_id()
        if claim_id is not None:
            leased = await self._dispatcher.next_task(self._claiming(1, claim_id, 0))
            self._accept(leased.tasks)

    async def _claim(self, count: int) -> bool:
        """One claim, repeated until it is answered; whether to drain."""
        claim_id, backoff = self._folder.claim_id() or uuid4(), Backoff()
        self._folder.keep_claim(claim_id)
        while True:
            try:
                tasks, drain = await self._ask(count, claim_id)
            except Away as away:
                pause_s = backoff.next_s(away.after_s)
                log.warning("%s; again in %.1f s", away, pause_s)
                await asyncio.sleep(pause_s)
            except (Refused, LeaseGone) as refused:
                log.error("The claim was refused: %s", refused)  # noqa: TRY400 - the detail says it all
                await asyncio.sleep(backoff.next_s(2))
                await self._register()
            else:
                self._accept(tasks)
                return drain

    async def _ask(self, count: int, claim_id: UUID) -> tuple[list[LeasedTask], bool]:
        reports = self._desk.take()
        if not reports:
            leased = await self._dispatcher.next_task(self._claiming(count, claim_id, WAIT_S))
            return leased.tasks, leased.drain
        try:
            # Not waiting: the reports' answers would wait along.
            exchange = Exchange(reports=[report for report, _ in reports], next=self._claiming(count, claim_id, 0))
            exchanged = await self._dispatcher.exchange(exchange)
        except BaseException:
            self._desk.put_back(reports)
            raise
        self._desk.settle(reports, exchanged)
        return exchanged.tasks, exchanged.drain

    def _claiming(self, count: int, claim_id: UUID, wait_s: float) -> NextTask:
        return NextTask(worker_id=self._worker_id, max_tasks=count, wait_s=wait_s, claim_id=claim_id)

    def _accept(self, tasks: list[LeasedTask]) -> None:
        for task in tasks:
            self._take(task)
        self._folder.forget_claim()
