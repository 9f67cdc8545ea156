"""Carries the promises of the outbox to their receivers.

The local twin of Pub/Sub push and Cloud Tasks. It works in rounds: write what ended, move what is new, claim what is due, start the calls. One round
is one transaction, so under load a round carries many messages and costs little for each; at rest it is woken at once and carries one.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.outbox import RELAY_CHANNEL
from shared.pushes import MessageMalformed

from maru.deliverer import queue
from maru.deliverer.caller import judge
from maru.deliverer.envelopes import request
from maru.deliverer.queue import Delivery, Outcome

if TYPE_CHECKING:
    from shared.db import Database
    from shared.deliveries import Route

    from maru.deliverer.caller import Caller
    from maru.deliverer.tokens import TokenSigner

log = logging.getLogger(__name__)

_MOVED_AT_ONCE = 500
_POLL_S = 1.0
# While calls run, a short wait gathers what ends together into one transaction.
_GATHER_S = 0.002
_TROUBLE_PAUSE_S = 0.5
_TIDIED_EVERY_S = 60.0
_UNSENT_RETRIED_IN_S = 30.0


class Deliverer:
    """One deliverer of one database; several may run, also of different processes."""

    def __init__(
        self,
        database: Database,
        routes: Sequence[Route],
        services: Mapping[str, str],
        caller: Caller,
        signer: TokenSigner,
    ) -> None:
        """`services` maps a service's name to its base URL, which is also the audience of its tokens."""
        self._database = database
        self._routes = {route.name: route for route in routes}
        self._services = services
        self._caller = caller
        self._signer = signer
        self._number = secrets.randbelow(2**31 - 1) + 1
        self._woken = asyncio.Event()
        self._stopping = False
        self._running: dict[asyncio.Task[None], Delivery] = {}
        self._busy: Counter[str] = Counter()
        self._outcomes: list[Outcome] = []
        self._more_in_outbox = True
        self._loop_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to deliver, and return when it is listening (or polling, if the database does not answer yet)."""
        listening = asyncio.Event()
        self._loop_task = asyncio.create_task(self._run(listening), name="deliverer")
        await asyncio.wait_for(listening.wait(), 30)

    async def stop(self, within_s: float = 5.0) -> None:
        """Start nothing new, let running calls end for `within_s`, and give the rest back."""
        self._stopping = True
        self._woken.set()
        if self._running:
            await asyncio.wait(self._running, timeout=within_s)
        for task in list(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=1)
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.wait([self._loop_task], timeout=2)
        await self._last_words()
        await self._caller.close()

    async def after_commit(self) -> None:
        """`Relay`: rows were committed to the outbox."""
        self.wake()

    async def drain(self) -> int:
        """`Relay`: it carries at all times."""
        self.wake()
        return 0

    async def close(self) -> None:
        """`Relay`: a service that ends does not end the deliverer; who started it stops it."""

    def wake(self) -> None:
        """Look at the outbox now."""
        self._more_in_outbox = True
        self._woken.set()

    async def _run(self, listening: asyncio.Event) -> None:
        while not self._stopping:
            try:
                async with self._database.listener() as connection:
                    await queue.enlist(connection, self._number)
                    await connection.add_listener(RELAY_CHANNEL, self._on_notify)
                    await self._take_back()
                    listening.set()
                    await self._rounds(connection)
            except asyncio.CancelledError:
                raise
            except Exception:
                log.warning("deliveries pause: the database is in trouble", exc_info=True)
                listening.set()
                await asyncio.sleep(_TROUBLE_PAUSE_S)

    async def _rounds(self, connection: Any) -> None:
        clock = asyncio.get_running_loop().time
        tidy_at = clock() + _TIDIED_EVERY_S
        while not self._stopping and not connection.is_closed():
            self._woken.clear()
            if not await self._round():
                try:
                    await asyncio.wait_for(self._woken.wait(), _POLL_S)
                except TimeoutError:
                    self._more_in_outbox = True
            if self._running:
                await asyncio.sleep(_GATHER_S)
            if clock() > tidy_at:
                tidy_at = clock() + _TIDIED_EVERY_S
                await self._take_back()

    async def _round(self) -> bool:
        """One transaction's worth of work; whether another round would find some at once."""
        outcomes, self._outcomes = self._outcomes, []
        free = [(route, route.concurrency - self._busy[route.name]) for route in self._routes.values()]
        free = [(route, number) for route, number in free if number > 0]
        try:
            async with self._database.service_tx() as connection:
                await queue.relax(connection)
                if outcomes:
                    await queue.finish(connection, outcomes)
                moved = 0
                if self._more_in_outbox:
                    self._more_in_outbox = False
                    moved = await queue.move(connection, list(self._routes.values()), _MOVED_AT_ONCE)
                claimed = await queue.claim(connection, self._number, free) if free else []
        except BaseException:
            self._outcomes = outcomes + self._outcomes
            self._more_in_outbox = True
            raise
        for delivery in claimed:
            self._launch(delivery)
        self._more_in_outbox = self._more_in_outbox or moved == _MOVED_AT_ONCE
        return self._more_in_outbox or bool(self._outcomes)

    def _launch(self, delivery: Delivery) -> None:
        self._busy[delivery.subscription] += 1
        task = asyncio.create_task(self._attempt(self._routes[delivery.subscription], delivery))
        self._running[task] = delivery
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        delivery = self._running.pop(task)
        self._busy[delivery.subscription] -= 1
        if not task.cancelled() and (error := task.exception()):
            log.error("%s could not be sent", delivery.subscription, exc_info=error)
            self._outcomes.append(Outcome(delivery, f"not sent: {type(error).__name__}", _UNSENT_RETRIED_IN_S))
        self._woken.set()

    async def _attempt(self, route: Route, delivery: Delivery) -> None:
        try:
            target, body, headers = request(route, delivery, self._routes)
        except MessageMalformed as malformed:
            self._outcomes.append(Outcome(delivery, str(malformed)))
            return
        base = self._services[target.service]
        headers["authorization"] = self._signer.bearer(base)
        answer = await self._caller.post(base + target.path, body, headers, route.deadline_s)
        outcome = judge(route, delivery, answer)
        if outcome.error is not None:
            died = outcome.retry_in_s is None
            log.log(
                logging.ERROR if died else logging.WARNING,
                "%s %s after attempt %d: %s",
                route.name,
                "is a dead letter" if died else "will be tried again",
                delivery.attempt,
                outcome.error,
            )
        self._outcomes.append(outcome)

    async def _take_back(self) -> None:
        async with self._database.service_tx() as connection:
            if taken := await queue.take_back(connection):
                log.info("%d messages of a deliverer that is gone are delivered again", taken)
            await queue.forget_names(connection)

    async def _last_words(self) -> None:
        try:
            async with self._database.service_tx() as connection:
                await queue.finish(connection, self._outcomes)
                await queue.release(connection, self._number)
        except Exception:
            log.warning("what was being delivered is delivered again at the next start", exc_info=True)

    def _on_notify(self, *_: object) -> None:
        self.wake()
