"""The agent: registers, takes up what the one before it left, works, and ends without losing anything."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from shared.contracts.dispatch import (
    Capabilities,
    HeartbeatAnswer,
    HeldTask,
    LeasedTask,
    Registered,
    Registration,
    Released,
)

from worker import machine
from worker.backoff import Backoff
from worker.delivery import Delivery
from worker.desk import ReportDesk
from worker.dispatcher import Dispatcher, HeartbeatLine
from worker.ending import Ending
from worker.exits import FINISHED, NO_PERMISSION, CannotWork
from worker.folder import WorkFolder
from worker.heartbeats import Heartbeats
from worker.intake import Intake
from worker.refusals import Away, LeaseGone, Refused, TokenRefused
from worker.runners.loading import Options, offers
from worker.transfer import Transfers
from worker.version import version
from worker.work import Work, held
from worker.workline import Workline

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from uuid import UUID

    from worker.settings import Settings

T = TypeVar("T")
log = logging.getLogger("worker")
# For the last words: a control plane that is away does not keep a machine from ending.
_LAST_CALL_S = 10.0
# A run's progress changes what is wanted, and nothing tells of it.
_LOOK_AGAIN_S = 2.0


class Agent:
    """One life of a worker. Made and run in one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.ending = Ending()
        self._settings = settings
        self._offers = offers(settings)
        self._folder = WorkFolder(settings.work_dir)
        self._dispatcher = Dispatcher(settings.url, settings.token)
        self._transfers = Transfers()
        self._desk = ReportDesk(self._dispatcher)
        self._line = Workline(
            settings,
            Options.of(settings),
            [offer.name for offer in self._offers],
            dispatcher=self._dispatcher,
            transfers=self._transfers,
            delivery=Delivery(self._dispatcher, self._transfers, self._desk),
            folder=self._folder,
            fatal=self.ending.fail,
        )
        self._intake = Intake(self._dispatcher, self._folder, self._desk, settings.name, self._take, self._register)
        self._taken = 0

    async def run(self) -> int:
        """Work until there is a reason to end; the process's exit code. Raises `CannotWork`."""
        self._folder.open()
        try:
            return await self._life()
        except TokenRefused as refused:
            what_to_do = "Make a new one with `maru worker token create`."
            raise CannotWork(
                f"The dispatcher does not take this token: {refused} {what_to_do}", NO_PERMISSION
            ) from refused
        finally:
            # In this order: nothing may claim or report through clients that are closed.
            await self._line.close()
            await self._dispatcher.close()
            await self._transfers.close()
            self._folder.close()

    async def _life(self) -> int:
        registered = await self.ending.unless(self.ending.soon, self._register())
        if registered is None:
            return FINISHED
        heartbeats = self._heartbeats(registered)
        heartbeats.start()
        loops = [asyncio.create_task(loop) for loop in (self._desk.run(), self._line.run())]
        for loop in loops:
            loop.add_done_callback(self._loop_ended)
        try:
            await self._work(drain=registered.draining)
        finally:
            heartbeats.stop()
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
        return FINISHED

    async def _work(self, *, drain: bool) -> None:
        if drain:
            self.ending.drain()
        await self.ending.unless(self.ending.soon, self._recover())
        await self.ending.unless(self.ending.no_more, self._intake.run(self._wanted))
        await self.ending.unless(self.ending.soon, self._emptied())
        await self._last_call(self._dispatcher.drain(self._settings.name))
        if self.ending.soon.is_set():
            await self._hand_back()

    async def _hand_back(self) -> None:
        """Ended by a signal: what has not begun goes back now, what runs may end within the grace time and goes back then."""
        # A claim that was under way may have been answered to nobody. A draining worker is given nothing new.
        await self._last_call(self._intake.unanswered())
        await self._release([work for work in self._line.held.works() if work.stage == "claimed"])
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace_s):
                await self.ending.unless(self.ending.at_once, self._emptied())
        await self._release(self._line.held.works())

    async def _release(self, works: list[Work]) -> None:
        if not works:
            return
        log.info("Handing back %d tasks", len(works))
        for work in works:
            work.end("stopped")
        if await self._last_call(self._released(works)):
            for work in works:
                self._line.drop(work)
        else:
            log.warning("They could not be handed back; what had ended is kept for the next start")

    async def _released(self, works: list[Work]) -> bool:
        tasks = [held(work) for work in works]
        await self._dispatcher.release(Released(worker_id=self._settings.name, tasks=tasks))
        return True

    async def _recover(self) -> None:
        """Deliver what had been run and hand back what had not been begun. What was running is left to its lease: it may be what ended the agent."""
        untouched: list[Work] = []
        for work in self._folder.recover():
            if work.stage == "ran":
                self._line.resume(work)
            elif work.stage == "claimed":
                untouched.append(work)
            else:
                self._folder.forget(work)
        if untouched:
            log.info("Handing back %d tasks that the agent before this one had not begun", len(untouched))
            await self._last_call(self._released(untouched))
            for work in untouched:
                self._folder.forget(work)

    async def _wanted(self) -> int:
        """How many tasks to claim, as soon as it is one or more; 0 once the operator's limit is reached."""
        while True:
            self._line.changed.clear()
            left = None if self._settings.max_tasks is None else self._settings.max_tasks - self._taken
            if left is not None and left <= 0:
                return 0
            if (count := self._line.wanted()) > 0:
                return count if left is None else min(count, left)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._line.changed.wait()

    async def _emptied(self) -> None:
        """Nothing goes on any more; what was stopped and could not be handed back yet does not count."""
        while any(work.gone != "stopped" for work in self._line.held.works()):
            self._line.changed.clear()
            await self._line.changed.wait()

    def _take(self, task: LeasedTask) -> None:
        self._taken += self._line.take(task)

    async def _register(self) -> Registered:
        gpus = await asyncio.to_thread(machine.detect)
        capabilities = Capabilities(
            runners=self._offers, gpu_name=gpus.name, gpu_memory_gib=gpus.memory_gib, gpu_count=gpus.count
        )
        registration = Registration(worker_id=self._settings.name, version=version(), capabilities=capabilities)
        backoff = Backoff()
        while True:
            try:
                registered = await self._dispatcher.register(registration)
            except Away as away:
                pause_s = backoff.next_s(away.after_s)
                log.warning("%s; again in %.1f s", away, pause_s)
                await asyncio.sleep(pause_s)
            except (Refused, LeaseGone) as refused:
                raise CannotWork(f"The dispatcher refuses this worker: {refused}") from refused
            else:
                log.info("Registered as %s with %s", self._settings.name, ", ".join(one.name for one in self._offers))
                return registered

    def _heartbeats(self, registered: Registered) -> Heartbeats:
        loop = asyncio.get_running_loop()

        def answered(said: list[HeldTask], answer: HeartbeatAnswer) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._heard, said, answer)

        def refused(error: TokenRefused) -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self.ending.fail, error)

        line = HeartbeatLine(self._settings.url, self._settings.token)
        every_s = min(registered.heartbeat_s, registered.lease_s / 3)
        return Heartbeats(line, self._settings.name, every_s, self._line.held, answered, refused)

    def _heard(self, said: list[HeldTask], answer: HeartbeatAnswer) -> None:
        attempts = {one.task_id: one.attempt for one in said}
        for task_id in answer.cancelled:
            self._end(task_id, attempts, cancelled=True)
        for task_id in answer.lost:
            self._end(task_id, attempts, cancelled=False)
        if answer.drain:
            self.ending.drain()

    def _end(self, task_id: UUID, attempts: dict[UUID, int], *, cancelled: bool) -> None:
        work = self._line.held.get(task_id)
        # Since the heartbeat was sent, the task may have been claimed again.
        if work is None or work.task.attempt != attempts.get(task_id):
            return
        if cancelled:
            work.end("cancelled")
        elif work.stage != "ran":
            # A result that is there is still reported: it is taken if nobody has claimed the task since.
            work.end("lost")

    async def _last_call(self, call: Coroutine[None, None, T]) -> T | None:
        """A call that is made once and waited for briefly; None when it did not succeed."""
        try:
            async with asyncio.timeout(_LAST_CALL_S):
                return await call
        except (Away, Refused, LeaseGone, TimeoutError) as error:
            log.warning("%s", error or "no answer in time")
            return None

    def _loop_ended(self, loop: asyncio.Task[None]) -> None:
        if not loop.cancelled() and (error := loop.exception()) is not None:
            self.ending.fail(error)
