"""Giving tasks to workers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from inference import queue
from inference.queue import Claimed, ClaimRequest, WorkerUnknown

if TYPE_CHECKING:
    from shared.contracts.dispatch import NextTask
    from shared.db import Database

    from inference.dispatch.board import QueueBoard
    from inference.dispatch.folding import JobFolder
    from inference.dispatch.roster import Roster
    from inference.dispatch.waiting import WaitingRoom
    from inference.queue import Credentials, Reported, VerifiedReport
    from inference.rescue import Rescuer
    from inference.settings import DispatchSettings

# Some minutes of claims: longer than any request is on its way.
_REMEMBERED = 20_000

Gone = Callable[[], Awaitable[bool]]
T = TypeVar("T")


class AnsweredClaims:
    """Claims that got tasks lately. One that comes again gets those that it still holds and no other.

    A worker that gave up waiting asks again under the same id, is answered and finishes; when the first request is worked on only then, nobody
    would hear of tasks that it took.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[UUID, UUID], None] = OrderedDict()

    def add(self, worker: UUID, claim_id: UUID | None) -> None:
        """This claim got tasks."""
        if claim_id is not None:
            self._known[worker, claim_id] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def has(self, worker: UUID, claim_id: UUID | None) -> bool:
        """Whether this claim has got tasks before."""
        return claim_id is not None and (worker, claim_id) in self._known


class Claims:
    """Claims of all workers of this process."""

    def __init__(
        self,
        database: Database,
        settings: DispatchSettings,
        roster: Roster,
        board: QueueBoard,
        rescuer: Rescuer,
        waiting: WaitingRoom,
        folder: JobFolder,
    ) -> None:
        self._database = database
        self._settings = settings
        self._roster = roster
        self._board = board
        self._rescuer = rescuer
        self._waiting = waiting
        self._folder = folder
        self._answered = AnsweredClaims()

    async def next(self, credentials: Credentials, wanted: NextTask, gone: Gone) -> Claimed:
        """Tasks for a worker, waiting for them as long as it said; nothing is claimed for one that has hung up meanwhile."""
        claimed = await self._claim(credentials, wanted)
        if not _worth_waiting(claimed, wanted):
            return claimed
        deadline = asyncio.get_running_loop().time() + wanted.wait_s
        worker = await self._roster.find(credentials, wanted.worker_id, wanted.capabilities)
        if self._answered.has(worker.id, wanted.claim_id):
            return claimed
        with self._waiting.join(worker.capabilities) as waiter:
            while _worth_waiting(claimed, wanted):
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    break
                await waiter.called(left)
                if await gone():
                    break
                claimed = await self._once(credentials, wanted)
        return claimed

    async def exchange(
        self, credentials: Credentials, reports: Sequence[VerifiedReport], wanted: NextTask
    ) -> tuple[Reported, Claimed]:
        """Reports and what is ready, in one transaction; nobody waits."""
        await self._rescuer.if_due()

        async def attempt(request: ClaimRequest) -> tuple[Reported, Claimed]:
            reported, claimed = await queue.exchange(
                self._database, credentials, reports, self._settings.backoff_s, request
            )
            self._remember(request, claimed)
            return reported, claimed

        reported, claimed = await self._as_known(credentials, wanted, attempt)
        self._served(claimed)
        if not claimed.count and not claimed.draining:
            claimed = await self._freed(credentials, wanted)
        return reported, claimed

    async def _claim(self, credentials: Credentials, wanted: NextTask) -> Claimed:
        """What is ready; if that is nothing, what is ready once everything stuck is freed."""
        await self._rescuer.if_due()
        claimed = await self._once(credentials, wanted)
        return claimed if claimed.count or claimed.draining else await self._freed(credentials, wanted)

    async def _freed(self, credentials: Credentials, wanted: NextTask) -> Claimed:
        await self._rescuer.now()
        await self._board.read()
        return await self._once(credentials, wanted)

    async def _once(self, credentials: Credentials, wanted: NextTask) -> Claimed:
        async def attempt(request: ClaimRequest) -> Claimed:
            claimed = await queue.claim(self._database, credentials, request)
            self._remember(request, claimed)
            return claimed

        claimed = await self._as_known(credentials, wanted, attempt)
        self._served(claimed)
        return claimed

    async def _as_known(
        self, credentials: Credentials, wanted: NextTask, attempt: Callable[[ClaimRequest], Awaitable[T]]
    ) -> T:
        """Claim as the worker that we know, and once more if its row has gone meanwhile."""
        try:
            return await attempt(await self._request(credentials, wanted))
        except WorkerUnknown:
            self._roster.forget(credentials, wanted.worker_id)
            return await attempt(await self._request(credentials, wanted))

    async def _request(self, credentials: Credentials, wanted: NextTask) -> ClaimRequest:
        worker = await self._roster.find(credentials, wanted.worker_id, wanted.capabilities)
        queues = await self._board.for_worker(worker.capabilities)
        spent = self._answered.has(worker.id, wanted.claim_id)
        return ClaimRequest(
            worker.id,
            wanted.claim_id,
            [] if spent else queues,
            wanted.max_tasks,
            self._settings.lease_s,
            self._board.time_to_push(),
        )

    def _remember(self, request: ClaimRequest, claimed: Claimed) -> None:
        if claimed.count:
            self._answered.add(request.worker, request.claim_id)

    def _served(self, claimed: Claimed) -> None:
        if claimed.queue is not None:
            self._board.rotation.serve(claimed.queue)
        self._folder.touch(claimed.jobs)


def _worth_waiting(claimed: Claimed, wanted: NextTask) -> bool:
    return not claimed.count and not claimed.draining and wanted.wait_s > 0
