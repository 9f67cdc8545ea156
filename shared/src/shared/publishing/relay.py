"""Publishes what is due before a request answers: on Cloud Run nothing runs afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.publishing import outbox_store
from shared.publishing.port import End, Outcome, Promise
from shared.telemetry import span

if TYPE_CHECKING:
    from shared.db import Database
    from shared.publishing.port import Carrier

_AT_ONCE = 500
_PUBLISH_S = 20.0
_LEASE_S = 60.0
_PATIENCE_S = 5.0
_DRAIN_S = 40.0
_FIRST_REST_S, _LONGEST_REST_S = 5.0, 60.0

log = logging.getLogger(__name__)


class OutboxRelay:
    """The `Relay` of the cloud. Several may work on one outbox, also in different processes.

    It works in rounds, one at a time: claim what is due, publish it, write what became of it. Whoever commits during a round waits for the next one,
    which then serves everybody who waits. A request waits for `patience_s` at most; what has not been published by then, the sweep publishes.
    While Google does not answer, most requests do not wait at all: one in a while finds out whether it is back.
    """

    def __init__(
        self,
        database: Database,
        facts: Carrier,
        commands: Carrier,
        *,
        patience_s: float = _PATIENCE_S,
        publish_s: float = _PUBLISH_S,
        lease_s: float = _LEASE_S,
    ) -> None:
        self._database = database
        self._facts, self._commands = facts, commands
        self._patience_s, self._publish_s, self._lease_s = patience_s, publish_s, lease_s
        self._outcomes: list[Outcome] = []
        self._next: asyncio.Future[int] | None = None
        self._running: asyncio.Task[None] | None = None
        self._closing = False
        self._rest_until, self._rest_s = 0.0, _FIRST_REST_S

    async def after_commit(self) -> None:
        """Publish what was committed, as far as that succeeds in time; it never raises, since nothing is lost."""
        if time.monotonic() < self._rest_until:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._round()), self._patience_s)
        except TimeoutError:
            log.warning("publishing takes longer than a request waits; the sweep will see to it")

    async def drain(self) -> int:
        """Publish whatever is due, also what others left behind; how many. For the sweep."""
        ends_at, carried = time.monotonic() + _DRAIN_S, 0
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < ends_at:
                more = await asyncio.wait_for(asyncio.shield(self._round()), ends_at - time.monotonic())
                carried += more
                if not more:
                    break
        await self._complain()
        return carried

    async def close(self, within_s: float = 5.0) -> None:
        """Publish what is still due, for `within_s` at most, then let clients go. What is left over is somebody else's when its lease ends."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._round()), within_s)
        self._closing = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running], timeout=1)
        for carrier in (self._facts, self._commands):
            await carrier.close()

    def _round(self) -> asyncio.Future[int]:
        """Done when everything committed before this call has been tried: how many promises that round carried."""
        if self._closing:
            return _already(0)
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._rounds(), name="publish")
        return self._next

    async def _rounds(self) -> None:
        while self._next is not None:
            served, self._next = self._next, None
            try:
                await self._publish_due(served)
            except Exception:
                log.exception("publishing failed; the sweep tries again")
            finally:
                if not served.done():
                    served.set_result(0)

    async def _publish_due(self, served: asyncio.Future[int]) -> None:
        """Until nothing more is found; `served` need not wait for what was committed after it came."""
        carried, promises = 0, await self._turn()
        while promises:
            self._outcomes = await self._carry(promises)
            carried += sum(one.end is End.CARRIED for one in self._outcomes)
            first_of_more = len(promises) == _AT_ONCE
            promises = await self._turn()
            if not first_of_more and not served.done():
                served.set_result(carried)
        if not served.done():
            served.set_result(carried)

    async def _turn(self) -> list[Promise]:
        """Say what became of the last claim and make the next, in one transaction. If that cannot be said, leases give back what was claimed."""
        outcomes, self._outcomes = self._outcomes, []
        try:
            async with self._database.service_tx() as connection:
                await outbox_store.take_turn(connection)
                if outcomes:
                    await outbox_store.settle(connection, outcomes)
                return await outbox_store.claim(connection, _AT_ONCE, self._lease_s)
        except BaseException:
            self._outcomes = outcomes
            raise

    async def _carry(self, promises: Sequence[Promise]) -> list[Outcome]:
        facts = [promise for promise in promises if promise.kind == "event"]
        commands = [promise for promise in promises if promise.kind == "task"]
        # Part of the trace of whoever began the round, also when it serves others.
        with span("publish", facts=len(facts), commands=len(commands)):
            both = await asyncio.gather(
                self._facts.carry(facts, self._publish_s) if facts else _nothing(),
                self._commands.carry(commands, self._publish_s) if commands else _nothing(),
            )
        outcomes = [outcome for some in both for outcome in some]
        for outcome in outcomes:
            if outcome.end is End.NEVER:
                log.error("%s is set aside: %s", outcome.promise.name, outcome.cause)
        self._rest(all(outcome.end in {End.AWAY, End.HELD} for outcome in outcomes))
        return outcomes

    def _rest(self, away: bool) -> None:
        if not away:
            self._rest_until, self._rest_s = 0.0, _FIRST_REST_S
            return
        self._rest_until = time.monotonic() + self._rest_s
        self._rest_s = min(_LONGEST_REST_S, self._rest_s * 2)

    async def _complain(self) -> None:
        """Say what stays behind: a topic that does not exist is made by nobody who does not know."""
        async with self._database.service_tx() as connection:
            waiting, says = await outbox_store.standing(connection)
        if waiting:
            log.error("%d promises could not be published yet; the oldest says: %s", waiting, says)


def _already(number: int) -> asyncio.Future[int]:
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    done.set_result(number)
    return done


async def _nothing() -> list[Outcome]:
    return []
