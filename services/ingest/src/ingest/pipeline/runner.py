"""Takes one entry version through its steps, from wherever the attempt before has stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

from ingest.pipeline import chunk, embed, index, insights, parse, store
from ingest.pipeline.failures import MAX_ATTEMPTS, RETRY_LATER_S, TryAgain, WorkCrashed, classify
from ingest.pipeline.progress import Progress
from ingest.pipeline.work import ClaimLost, Ending, IndexTask, StepName, Work

if TYPE_CHECKING:
    from ingest.ports import Ports

# Together more than one call may take: what is finished stays finished, and the next call goes on.
_LIMITS_S: Mapping[StepName, float] = {"parse": 420, "chunk": 300, "embed": 300, "index": 60, "insights": 240}

log = logging.getLogger(__name__)


class Pipeline:
    """Runs `index-entry`. Calling it twice for a version does the work once."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._running: dict[tuple[UUID, int], asyncio.Task[None]] = {}

    async def index_entry(self, task: IndexTask) -> None:
        """Make a version known; raises `TryAgain` when the call is to be repeated.

        A call for what is being worked on in this process waits for that work instead of taking it over.
        """
        key = task.entry_id, task.version
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(self._run(task), name=f"index-{task.entry_id}")
            running.add_done_callback(lambda _: self._running.pop(key, None))
        await asyncio.shield(running)

    async def _run(self, task: IndexTask) -> None:
        async with self._ports.database.space_tx(task.space_id) as connection:
            work = await store.claim(connection, task)
            gone = work is None and not await store.exists(connection, task.entry_id)
        if gone:
            # An attempt died between its vectors and its commit, and then somebody deleted the entry.
            await self._ports.vectors.delete_entry(task.entry_id)
        if work is None:
            return
        progress = Progress(work, self._ports.database, self._ports.hub)
        try:
            async with progress.alive():
                await self._go(work, progress)
        except ClaimLost:
            log.info("an entry was taken over, edited or deleted while it was worked on")
        except Exception as error:  # noqa: BLE001 - whatever it was, the entry must show it or the task come again
            await self._failed(progress, error)

    async def _go(self, work: Work, progress: Progress) -> None:
        if work.attempt > MAX_ATTEMPTS:
            raise WorkCrashed
        async with _step(progress, "parse"):
            text = await parse.read(self._ports, work, progress)
        if not work.finished("index"):
            async with _step(progress, "chunk"):
                pieces = await chunk.cut(text.body, text.title, self._ports.morphology)
                progress.done("chunk")
            async with _step(progress, "embed"):
                dense = await embed.run(self._ports, work, text, pieces, progress)
            async with _step(progress, "index"):
                quick = insights.is_quick(self._ports, work, text)
                understood = await insights.understand(self._ports, work, text) if quick else None
                await index.run(self._ports, work, text, index.Findings(pieces, dense, understood), progress)
            if understood is not None:
                return
        async with _step(progress, "insights"):
            await insights.run(self._ports, work, text, progress)

    async def _failed(self, progress: Progress, error: Exception) -> None:
        failure = classify(error)
        log.warning("step %s failed: %s", progress.step, failure.code, exc_info=error)
        if failure.passing and progress.attempt < MAX_ATTEMPTS:
            raise TryAgain(f"{progress.step}: {failure.detail}") from error
        retry_in_s = RETRY_LATER_S if failure.recovers else None
        ending = Ending("failed", failure.document(progress.step), retry_in_s)
        try:
            async with progress.saving((progress.step, "failed"), ending=ending):
                pass
        except ClaimLost:
            log.info("an entry was taken over, edited or deleted before its failure could be told")


@asynccontextmanager
async def _step(progress: Progress, step: StepName) -> AsyncGenerator[None]:
    progress.step = step
    async with asyncio.timeout(_LIMITS_S[step]):
        yield
