"""What happens to a claimed task: fetch, run, deliver. One runs at a time; fetching and delivering go on beside it."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from shared.contracts.dispatch import LeasedTask, Presigned, PresignRequest

from worker.folder import input_path
from worker.hosting.messages import RunCommand
from worker.hosting.process import RunnerProcess
from worker.names import label
from worker.pace import Pace
from worker.refusals import LeaseGone, Refused, TokenRefused
from worker.transfer import TransferFailed
from worker.work import Holdings, Result, TaskGone, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from worker.delivery import Delivery
    from worker.dispatcher import Dispatcher
    from worker.folder import WorkFolder
    from worker.runners.loading import Options
    from worker.settings import Settings
    from worker.transfer import Transfers

log = logging.getLogger("worker.tasks")


class Workline:
    """`changed` is set whenever a task moves on; `fatal` is called with what no task is to blame for."""

    def __init__(
        self,
        settings: Settings,
        options: Options,
        runners: list[str],
        *,
        dispatcher: Dispatcher,
        transfers: Transfers,
        delivery: Delivery,
        folder: WorkFolder,
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._transfers = transfers
        self._delivery = delivery
        self._folder = folder
        self._pace = Pace(settings.prefetch)
        self._fatal = fatal
        self._hosts = {name: RunnerProcess(name, options, settings.task_timeout_s) for name in runners}
        self._ready: asyncio.Queue[Work] = asyncio.Queue()
        self._doing: set[asyncio.Task[None]] = set()
        self._running: tuple[Work, float] | None = None
        self.held = Holdings()
        self.changed = asyncio.Event()

    def take(self, task: LeasedTask) -> bool:
        """A task that was claimed; whether it is new. One that is held already came with an answer given twice."""
        known = self.held.get(task.task_id)
        if known is not None and known.task.attempt == task.attempt:
            return False
        if known is not None:
            # Claimed again, so the lease of the attempt before is gone, whatever it still does.
            known.end("lost")
        work = self._folder.add(task)
        self.held.add(work)
        self._spawn(self._prepare(work), work)
        return True

    def resume(self, work: Work) -> None:
        """A task whose run had ended when the agent before this one did."""
        self.held.add(work)
        self._spawn(self._deliver(work), work)

    def wanted(self) -> int:
        """How many more tasks to claim now."""
        working = [work for work in self.held.works() if work.stage != "ran"]
        delivering = len(self.held) - len(working)
        if delivering > 2 * self._pace.batch() + 8:
            return 0
        if self._running is None:
            return self._pace.wanted(held=len(working), elapsed_s=None, progress=None)
        work, since = self._running
        return self._pace.wanted(held=len(working), elapsed_s=time.monotonic() - since, progress=work.progress)

    async def run(self) -> None:
        """Run what is ready, one after the other, until cancelled."""
        while True:
            work = await self._ready.get()
            if work.gone is not None:
                # What was stopped is handed back by whoever stopped it.
                if work.gone != "stopped":
                    self.drop(work)
                continue
            self._running = (work, time.monotonic())
            self._moved()
            try:
                await self._run(work)
            finally:
                self._running = None
                self._moved()

    def drop(self, work: Work) -> None:
        """Nothing of it stays here."""
        self.held.remove(work)
        self._folder.forget(work)
        self._moved()

    async def close(self) -> None:
        """End everything that goes on, and the child processes."""
        for doing in self._doing:
            doing.cancel()
        await asyncio.gather(*self._doing, return_exceptions=True)
        await asyncio.gather(*(host.close() for host in self._hosts.values()))

    async def _prepare(self, work: Work) -> None:
        """Fetch the input and queue the task."""
        try:
            await work.unless_gone(self._fetch(work))
        except LeaseGone:
            self.drop(work)
        except Refused as refused:
            await self._finish(work, Result.failure("input_refused", str(refused)))
        except TransferFailed as failed:
            await self._finish(work, Result.failure(failed.code, str(failed), retryable=failed.retryable))
        else:
            self._ready.put_nowait(work)

    async def _fetch(self, work: Work) -> None:
        task = work.task
        if task.input_path is None:
            return
        if not self._folder.room_for(task.input_size or 0):
            raise TransferFailed("disk_full", "There is no room for the input on the worker's disk.")

        async def presign() -> Presigned:
            return await self._dispatcher.presign(
                PresignRequest(task_id=task.task_id, attempt=task.attempt, type="download_input")
            )

        limit = self._settings.max_input_bytes
        await self._transfers.download(presign, input_path(work), size=task.input_size, limit=limit)

    async def _run(self, work: Work) -> None:
        work.stage = "running"
        self._folder.keep(work)
        began = time.monotonic()
        try:
            result = await work.unless_gone(self._result(work))
        except TaskGone as gone:
            log.info("%s attempt %d was stopped: %s", work.task.task_id, work.task.attempt, gone.why)
            if gone.why != "stopped":
                self.drop(work)
            return
        self._pace.ran(time.monotonic() - began)
        self._spawn(self._finish(work, result), work)

    async def _result(self, work: Work) -> Result:
        host = self._hosts.get(work.task.runner)
        if host is None:
            return Result.failure("runner_missing", f"This worker has no runner {work.task.runner!r}.")
        given = input_path(work)
        command = RunCommand(
            params=work.task.params,
            input=None if work.task.input_path is None else str(given),
            input_name=label(work.task.input_name or work.task.input_path),
            output=str(work.folder / "output"),
            max_output_bytes=self._settings.max_output_bytes,
        )

        def progress(done: float) -> None:
            work.progress = done

        try:
            return await host.run(command, progress)
        except OSError as error:
            return Result.failure("runner_not_started", f"The runner could not be started: {error.strerror}.")
        except ValueError:
            log.exception("%s: the runner's process does not speak our language", work.task.task_id)
            await host.close()
            return Result.failure("runner_failed", "The runner's process did not answer in a way that is understood.")

    async def _finish(self, work: Work, result: Result) -> None:
        work.stage, work.result = "ran", result
        self._folder.keep(work)
        self._moved()
        if result.error is not None:
            log.warning(
                "%s attempt %d: %s: %s", work.task.task_id, work.task.attempt, result.error.code, result.error.detail
            )
        await self._deliver(work)

    async def _deliver(self, work: Work) -> None:
        await work.unless_gone(self._delivery.deliver(work))
        self.drop(work)

    def _spawn(self, doing: Coroutine[None, None, None], work: Work) -> None:
        task = asyncio.create_task(self._guarded(doing, work))
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    async def _guarded(self, doing: Coroutine[None, None, None], work: Work) -> None:
        try:
            await doing
        except TaskGone as gone:
            # What was stopped by a signal is handed back by whoever stopped it.
            if gone.why != "stopped":
                self.drop(work)
        except TokenRefused as refused:
            self._fatal(refused)
        except Exception as error:
            # Our own mistake, with this task: it must not take the others along.
            log.exception("%s attempt %d", work.task.task_id, work.task.attempt)
            if work.result is None:
                failure = Result.failure("worker_failed", f"{type(error).__name__}: {error}")
                await self._guarded(self._finish(work, failure), work)
            else:
                self.drop(work)

    def _moved(self) -> None:
        self.changed.set()
