"""Folds jobs soon after something happened to them, each at its own pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.studio.folding_store import fold

if TYPE_CHECKING:
    from shared.db import Database
    from shared.outbox import Relay
    from shared.streams import StreamHub
    from shared.studio.folding_store import FoldOutcome

    from inference.queue import JobRef

# A job that has just begun to move is shown at once; one that moves all the time is folded less often.
_FIRST_S = 0.15
_MOST_S = 1.0
_SLOWER = 1.4
_AT_ONCE = 4

log = logging.getLogger(__name__)


class JobFolder:
    """What is not folded when the process ends is found by the sweep."""

    def __init__(self, database: Database, hub: StreamHub, relay: Relay) -> None:
        self._database = database
        self._hub = hub
        self._relay = relay
        self._folding: dict[JobRef, asyncio.Task[None]] = {}
        self._again: set[JobRef] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)

    def touch(self, jobs: Sequence[JobRef]) -> None:
        """Something happened to these jobs."""
        for job in jobs:
            folding = self._folding.get(job)
            if folding is not None and not folding.done():
                self._again.add(job)
            else:
                self._folding[job] = asyncio.create_task(self._keep_folding(job), name="fold-job")

    async def fold(self, job: JobRef) -> FoldOutcome | None:
        """Fold a job now and wake who follows it."""
        async with self._places, self._database.space_tx(job.space_id) as connection:
            outcome = await fold(connection, job.job_id)
        if outcome is not None:
            if outcome.stream_id is not None:
                self._hub.wake(outcome.stream_id)
            # For the reports that were folded as well: waking the relay for each of them would cost more than the reports.
            await self._relay.after_commit()
        return outcome

    async def settled(self) -> None:
        """Return when what was touched before has been folded, or could not be."""
        await asyncio.gather(*self._folding.values(), return_exceptions=True)

    async def close(self) -> None:
        """Leave the rest to the sweep."""
        tasks = list(self._folding.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_folding(self, job: JobRef) -> None:
        pause = _FIRST_S
        try:
            while True:
                await asyncio.sleep(pause)
                self._again.discard(job)
                await self.fold(job)
                if job not in self._again:
                    return
                pause = min(_MOST_S, pause * _SLOWER)
        except Exception as failure:  # noqa: BLE001 - nothing waits for it, and the sweep folds what is left
            log.warning("a job could not be folded: %s", type(failure).__name__)
        finally:
            self._again.discard(job)
            self._folding.pop(job, None)
