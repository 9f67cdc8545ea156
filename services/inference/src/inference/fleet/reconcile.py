"""Makes the rented hosts what they should be, and the books what the hosts are.

A host is in our books before it is rented and leaves them after it is destroyed, and it carries a label that only the books know. So whatever is
lost on the way, the next look finds it: a host with our label that the books do not know, or have closed, is destroyed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, assert_never

from shared.errors import Problem

from inference.fleet import fleet_store as store
from inference.fleet.hosts import Busy, Drain, Host, HostAction, Idle, Ready, Stop, StopReason
from inference.fleet.listing import compare
from inference.fleet.plan import Action, Plan, Rent, Unmet, World, plan
from inference.fleet.provider import CreateUnsure, HostProvider, ListedHost, Needs, Offer, OfferGone, Order, without

if TYPE_CHECKING:
    from shared.db import Database

    from inference.fleet.settings import FleetSettings

# Below the time that a connection may idle in a transaction, in which the lock is held.
_LOOK_LIMIT_S = 40
# Hosts that are seen to at once: one that cannot be ended must not keep the others waiting.
_AT_ONCE = 3
# Offers that are gone by the time we take them, before we leave it to the next look.
_TRIES = 3

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Look:
    """What one look at the fleet did, or in a dry run would have done."""

    actions: list[Action] = field(default_factory=list)
    unmet: tuple[Unmet, ...] = ()
    destroyed: list[str] = field(default_factory=list)
    rented: list[Offer] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    busy: bool = False


class Fleet:
    """The rented hosts of one installation. Only one look at a time, wherever it is taken."""

    def __init__(self, database: Database, provider: HostProvider, settings: FleetSettings) -> None:
        self._database = database
        self._provider = provider
        self._settings = settings

    @property
    def settings(self) -> FleetSettings:
        """What it may do."""
        return self._settings

    async def close(self) -> None:
        """Let go of the provider's connections."""
        await self._provider.close()

    async def look(self, *, at_most_s: float = _LOOK_LIMIT_S) -> Look:
        """Reconcile. May be stopped at any moment, and called again at once; troubles are told, not raised."""
        ending: StopReason | None = "fleet_off" if self._settings.mode == "off" else None
        return await self._look(ending, at_most_s)

    async def stop_all(self, *, at_most_s: float = _LOOK_LIMIT_S) -> Look:
        """End every host, whatever it does."""
        return await self._look("asked", at_most_s)

    async def world(self) -> World:
        """The queues, hosts and costs as the plan sees them."""
        async with self._database.dispatch_tx() as connection:
            in_hand = await store.in_hand(connection)
        async with self._database.service_tx() as connection:
            hosts = await store.live_hosts(connection, self._provider.name, self._settings.label_prefix, in_hand)
            own, seen = await store.own_workers(connection), await store.witnesses(connection)
            seconds, (today, month) = await store.task_seconds(connection), await store.spent(connection)
        async with self._database.dispatch_tx() as connection:
            demand = await store.demand(connection, seconds)
        return World(tuple(hosts), tuple(demand), tuple(own), tuple(seen), today, month)

    def plan(self, world: World, ending: StopReason | None = None) -> Plan:
        """What should be done about this world."""
        return plan(world, self._settings.limits, runners=self._settings.runners, ending=ending)

    async def offers(self, rent: Rent) -> list[Offer]:
        """What could be had now for it, the cheapest first, machines that failed us left out."""
        async with self._database.service_tx() as connection:
            failed = await store.failed_machines(connection)
        found = await self._provider.search_offers(
            rent.needs,
            max_price_micros=rent.max_price_micros,
            disk_gib=self._settings.disk_gib,
            life_s=self._settings.limits.life_s,
        )
        return without(found, failed)

    async def preview(self) -> tuple[World, Plan]:
        """What the next look would find and do; changes nothing here or there."""
        listed = await self._provider.list_by_label(self._settings.label_prefix)
        world = await self.world()
        world = replace(world, hosts=compare(world.hosts, listed).hosts)
        return world, self.plan(world)

    async def _look(self, ending: StopReason | None, at_most_s: float) -> Look:
        look = Look()
        try:
            async with asyncio.timeout(at_most_s), self._alone() as alone:
                look.busy = not alone
                if alone:
                    await self._reconcile(look, ending)
        except TimeoutError:
            look.troubles.append(f"the look at the fleet was not over within {at_most_s:g} s; the next one goes on")
        for trouble in look.troubles:
            log.warning("fleet: %s", trouble)
        return look

    @asynccontextmanager
    async def _alone(self) -> AsyncGenerator[bool]:
        async with self._database.service_tx() as connection:
            yield await store.alone(connection)

    async def _reconcile(self, look: Look, ending: StopReason | None) -> None:
        # The list first: a host is in our books before it can be listed, so none is taken for a stranger because we read too early.
        listed = await self._list(look)
        world = await self.world()
        if listed is not None:
            world = replace(world, hosts=await self._compare(world.hosts, listed, look))
        planned = self.plan(world, ending)
        look.unmet = planned.unmet
        todo = [action for action in planned.actions if not isinstance(action, Rent)]
        look.actions += todo
        await _each([partial(self._apply, action, look) for action in todo])
        if self._settings.mode == "dry-run" or listed is None:
            look.actions += planned.rents
            return
        await self._rent_all(planned, look)

    async def _list(self, look: Look) -> list[ListedHost] | None:
        """The provider's hosts; None when it does not tell, and then nothing is concluded from it and nothing rented."""
        try:
            return await self._provider.list_by_label(self._settings.label_prefix)
        except Problem as problem:
            look.troubles.append(problem.detail)
            return None

    async def _compare(self, ours: tuple[Host, ...], listed: list[ListedHost], look: Look) -> tuple[Host, ...]:
        found = compare(ours, listed)
        async with self._database.service_tx() as connection:
            await store.forget_old(connection)
            await store.keep_draining(connection)
            for host in found.hosts:
                if host.provider_id is not None:
                    await store.note_listed(connection, host)
            for ended in found.ended:
                await store.stopped(connection, ended.host.id, ended.reason, billed=ended.reason != "not_created")
            foreign = await store.foreign_hosts(connection, self._settings.label_prefix)
        await _each([partial(self._destroy, stranger.provider_id, look) for stranger in found.strangers])
        if foreign:
            look.troubles.append(
                f"{len(foreign)} hosts belong to another installation and are left alone ({foreign[0]}, …): if our address has changed, "
                f"set MARU_FLEET_INSTALLATION to {foreign[0].split('-')[1]!r}"
            )
        return found.hosts

    async def _apply(self, action: HostAction, look: Look) -> None:
        host = action.host
        match action:
            case Stop():
                await self._stop(host, action.reason, look)
                return
            case Ready() | Busy() | Idle() | Drain():
                pass
            case _:
                assert_never(action)
        async with self._database.service_tx() as connection:
            match action:
                case Ready():
                    await store.note_ready(connection, host.id)
                case Busy() | Idle():
                    await store.note_idle(connection, host.id, idle=isinstance(action, Idle))
                case Drain():
                    await store.drain(connection, host.id, action.reason)

    async def _stop(self, host: Host, reason: StopReason, look: Look) -> None:
        """First the intent, then the deed, then the books. A host that the provider never named is found by its label if it ever appears."""
        async with self._database.service_tx() as connection:
            await store.drain(connection, host.id, reason)
        if host.provider_id is not None and not await self._destroy(host.provider_id, look):
            return
        async with self._database.service_tx() as connection:
            await store.stopped(connection, host.id, reason, billed=True)

    async def _destroy(self, provider_id: str, look: Look) -> bool:
        try:
            await self._provider.destroy(provider_id)
        except Problem as problem:
            look.troubles.append(f"host {provider_id} was not destroyed: {problem.detail}")
            return False
        look.destroyed.append(provider_id)
        return True

    async def _rent_all(self, planned: Plan, look: Look) -> None:
        """One after the other, each for what the ones before have left. Where nothing is to be had, nothing is for another host like it."""
        left, in_vain = planned.rent_micros, set[Needs]()
        async with self._database.service_tx() as connection:
            refused = await store.refused_lately(connection)
        if refused and planned.rents:
            look.troubles.append("the provider refused to rent within ten minutes, so it is not asked again yet")
            return
        for rent in planned.rents:
            if rent.needs in in_vain:
                continue
            look.actions.append(rent)
            taken = await self._rent(replace(rent, max_price_micros=min(rent.max_price_micros, left)), look)
            if taken is None:
                in_vain.add(rent.needs)
            else:
                left -= taken.price_micros_per_hour

    async def _rent(self, rent: Rent, look: Look) -> Offer | None:
        """The offer that was, or may have been, taken."""
        try:
            offers = await self.offers(rent)
        except Problem as problem:
            look.troubles.append(problem.detail)
            return None
        if not offers:
            look.troubles.append(f"no offer for {rent.demand.runner} at ${rent.max_price_micros / 1e6:.2f} an hour")
        for offer in offers[:_TRIES]:
            match await self._rent_offer(offer, look):
                case "taken":
                    return offer
                case "refused":
                    return None
                case "gone":
                    continue
        return None

    async def _rent_offer(self, offer: Offer, look: Look) -> Literal["taken", "gone", "refused"]:
        settings = self._settings
        async with self._database.service_tx() as connection:
            reserved = await store.reserve(
                connection, self._provider.name, settings.label_prefix, offer, settings.limits, settings.runners
            )
        if reserved is None:
            return "refused"
        try:
            provider_id = await self._provider.create(offer, self._order(reserved))
        except CreateUnsure as unsure:
            look.troubles.append(unsure.detail)
            return "taken"
        except Problem as problem:
            # Nothing was rented: it is closed at once, and costs nothing.
            gone = isinstance(problem, OfferGone)
            async with self._database.service_tx() as connection:
                await store.stopped(connection, reserved.id, "offer_gone" if gone else "refused", billed=False)
            look.troubles.append(problem.detail)
            return "gone" if gone else "refused"
        async with self._database.service_tx() as connection:
            await store.note_created(connection, reserved.id, provider_id)
        look.rented.append(offer)
        return "taken"

    def _order(self, reserved: store.Reserved) -> Order:
        settings = self._settings
        env = {
            "MARU_INFERENCE_URL": settings.public_url,
            "MARU_WORKER_TOKEN": reserved.token,
            "MARU_WORKER_NAME": reserved.label,
        }
        return Order(reserved.label, settings.image, settings.disk_gib, env)


async def _each(doing: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """Do all of it, a few at a time, and only then raise what went wrong first."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(do: Callable[[], Awaitable[object]]) -> None:
        async with places:
            await do()

    for result in await asyncio.gather(*map(one, doing), return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
