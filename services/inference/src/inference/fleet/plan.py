"""What to do about the fleet now, pure: the queues, the hosts and the limits in, actions out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from inference.fleet.demand import Demand, Missing, OwnWorker, Witness, missing, proven_unfit, serves
from inference.fleet.hosts import Drain, Host, HostAction, Patience, Stop, StopReason, step
from inference.fleet.provider import Needs

# The next look is a minute away; this is how long it may be late.
LOOK_S = 180
# With less money than this time costs, hosts finish what they have and end.
RESERVE_S = 900
# What a new host must at least have time for beyond booting and ending.
_WORTHWHILE_S = 600
_HOUR_S = 3_600
_CENT = 10_000

Obstacle = Literal["max_hosts", "budget", "image_lacks_it", "runner_not_rented_for"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the fleet may do; money in micro-dollars."""

    max_hosts: int
    max_price_micros: int
    daily_micros: int
    monthly_micros: int
    idle_s: float
    boot_s: float
    life_s: float

    @classmethod
    def none(cls) -> Limits:
        """Of a fleet that is off."""
        return cls(0, 0, 0, 0, 1, 1, 1)

    @property
    def patience(self) -> Patience:
        """The times of one host."""
        return Patience(self.idle_s, self.boot_s, self.life_s)

    @property
    def stint_s(self) -> float:
        """The time that must be affordable before a host is rented."""
        return self.boot_s + _WORTHWHILE_S + RESERVE_S


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the plan looks at. `spent_*` include what running hosts have cost until now."""

    hosts: tuple[Host, ...] = ()
    demand: tuple[Demand, ...] = ()
    own_workers: tuple[OwnWorker, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    spent_today_micros: int = 0
    spent_month_micros: int = 0


@dataclass(frozen=True, slots=True)
class Rent:
    """Rent a host for a queue, for this price an hour at most; what all may cost together says the plan."""

    needs: Needs
    max_price_micros: int
    demand: Demand


@dataclass(frozen=True, slots=True)
class Unmet:
    """Hosts that a queue lacks and does not get, and why."""

    demand: Demand
    hosts: int
    obstacle: Obstacle


Action: TypeAlias = HostAction | Rent


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in their order, endings first. `rent_micros` is what all hosts to rent may cost an hour together."""

    actions: tuple[Action, ...]
    unmet: tuple[Unmet, ...] = ()
    rent_micros: int = 0

    @property
    def rents(self) -> tuple[Rent, ...]:
        """The hosts to rent."""
        return tuple(action for action in self.actions if isinstance(action, Rent))


def plan(world: World, limits: Limits, *, runners: Collection[str], ending: StopReason | None = None) -> Plan:
    """What to do now. With `ending`, every host ends and none is rented."""
    live = [host for host in world.hosts if host.status != "stopped"]
    left = money_left(world, limits)
    must = _too_many(live, left, LOOK_S) if ending is None else frozenset(host.id for host in live)
    should = _too_many(live, left, RESERVE_S)
    actions: list[Action] = []
    for host in live:
        action = step(
            host,
            limits.patience,
            useful=any(one.queued and one.runner in runners and serves(host, one) for one in world.demand),
            must_end=(ending or "budget_spent") if host.id in must else None,
            should_end=_soft_reason(host, limits, short=host.id in should),
        )
        actions += [] if action is None else [action]
    if ending is not None:
        return Plan(_endings_first(actions))
    going = {action.host.id for action in actions if isinstance(action, Drain | Stop)}
    staying = [host for host in live if host.status != "stopping" and host.id not in going]
    wanted, unmet = _wanted(world, staying, runners)
    # Whatever ends now still counts: it may take until the next look.
    money = affordable(left, sum(host.price_micros_per_hour for host in live), limits)
    rents, more_unmet = _rents(wanted, limits, max(0, limits.max_hosts - len(live)), money)
    return Plan((*_endings_first(actions), *rents), (*unmet, *more_unmet), max(0, money))


def money_left(world: World, limits: Limits) -> int:
    """Micro-dollars of the day's or the month's budget, whichever is less."""
    return min(limits.daily_micros - world.spent_today_micros, limits.monthly_micros - world.spent_month_micros)


def affordable(left_micros: int, burn_micros_per_hour: int, limits: Limits) -> int:
    """The price an hour that new hosts may cost together, so that all hosts can run for a stint."""
    return int(left_micros * _HOUR_S / limits.stint_s) - burn_micros_per_hour


def _soft_reason(host: Host, limits: Limits, *, short: bool) -> StopReason | None:
    if short:
        return "budget_spent"
    return "price_rose" if host.price_micros_per_hour > limits.max_price_micros else None


def _too_many(live: Sequence[Host], left_micros: int, horizon_s: float) -> frozenset[object]:
    """The hosts that are given up so that the others can run for `horizon_s`: those that rest first, then the dearest."""
    given_up: set[object] = set()
    burn = 0
    for host in sorted(live, key=lambda one: (not one.works, one.price_micros_per_hour)):
        if (burn + host.price_micros_per_hour) * horizon_s <= left_micros * _HOUR_S:
            burn += host.price_micros_per_hour
        else:
            given_up.add(host.id)
    return frozenset(given_up)


def _wanted(world: World, staying: Sequence[Host], runners: Collection[str]) -> tuple[list[Missing], list[Unmet]]:
    """What a host would help, and what it would not."""
    ours = [demand for demand in world.demand if demand.runner in runners]
    others = [demand for demand in world.demand if demand.runner not in runners]
    lacking = missing(ours, staying, world.own_workers)
    unfit = [one for one in lacking if proven_unfit(one.demand, world.witnesses)]
    unmet = [Unmet(one.demand, one.hosts, "image_lacks_it") for one in unfit]
    unmet += [Unmet(one.demand, one.hosts, "runner_not_rented_for") for one in missing(others, (), world.own_workers)]
    return [one for one in lacking if one not in unfit], unmet


def _rents(wanted: Sequence[Missing], limits: Limits, places: int, money_micros: int) -> tuple[list[Rent], list[Unmet]]:
    """As many as there are places and cents for, in the order of the waits."""
    price = min(limits.max_price_micros, money_micros)
    obstacle: Obstacle = "max_hosts"
    if price < min(_CENT, limits.max_price_micros):
        places, obstacle = 0, "budget"
    rents: list[Rent] = []
    unmet: list[Unmet] = []
    for one in wanted:
        gets = min(one.hosts, places - len(rents))
        rents += [Rent(one.demand.needs, price, one.demand)] * gets
        unmet += [Unmet(one.demand, one.hosts - gets, obstacle)] if gets < one.hosts else []
    return rents, unmet


def _endings_first(actions: Sequence[Action]) -> tuple[Action, ...]:
    return tuple(sorted(actions, key=lambda action: not isinstance(action, Stop | Drain)))
