"""What the fleet would do next and what that would cost, without doing it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from inference.fleet.demand import Demand, serves
from inference.fleet.hosts import Drain, Stop
from inference.fleet.plan import Plan, Rent, World
from inference.fleet.provider import Offer

if TYPE_CHECKING:
    from inference.fleet.reconcile import Fleet

_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Forecast:
    """`picks`: each host to rent with the offer that would be taken, or None where there is none."""

    world: World
    plan: Plan
    picks: tuple[tuple[Rent, Offer | None], ...]

    @property
    def now_micros_per_hour(self) -> int:
        """What the hosts cost an hour as they are."""
        return sum(host.price_micros_per_hour for host in self.world.hosts)

    @property
    def then_micros_per_hour(self) -> int:
        """What they would cost an hour afterwards."""
        going = sum(a.host.price_micros_per_hour for a in self.plan.actions if isinstance(a, Stop | Drain))
        coming = sum(offer.price_micros_per_hour for _, offer in self.picks if offer is not None)
        return self.now_micros_per_hour - going + coming

    def cost_micros(self, demand: Demand) -> int | None:
        """What the queue as it stands would cost; nothing on our own machines, None where nobody would do it."""
        if any(serves(worker, demand) for worker in self.world.own_workers):
            return 0
        prices = [host.price_micros_per_hour for host in self.world.hosts if serves(host, demand)]
        prices += [
            offer.price_micros_per_hour
            for rent, offer in self.picks
            if offer is not None and serves(rent.needs, demand)
        ]
        return round(demand.work_s * min(prices) / _HOUR_S) if prices else None


async def forecast(fleet: Fleet) -> Forecast:
    """Look without touching: the provider is asked for its hosts and offers only."""
    world, planned = await fleet.preview()
    taken: set[str] = set()
    picks: list[tuple[Rent, Offer | None]] = []
    left = planned.rent_micros
    for rent in planned.rents:
        offers = await fleet.offers(replace(rent, max_price_micros=min(rent.max_price_micros, left)))
        offer = next((one for one in offers if one.id not in taken), None)
        if offer is not None:
            taken.add(offer.id)
            left -= offer.price_micros_per_hour
        picks.append((rent, offer))
    return Forecast(world, planned, tuple(picks))
