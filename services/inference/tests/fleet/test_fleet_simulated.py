"""The plan in a simulated market: queues fill, hosts boot, hang, die and get dearer, and a look at the fleet comes each minute or late.

The plan alone is under test: what it says is done at once. Whatever happens, no limit is broken, no work is ended but for money or time, and when
nothing is queued any more the last host ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from inference.fleet.demand import Demand
from inference.fleet.hosts import Busy, Drain, Host, HostStatus, HostWorker, Idle, Ready, Stop, StopReason
from inference.fleet.plan import LOOK_S, Limits, Rent, World, plan
from shared.contracts.dispatch import Capabilities
from shared.contracts.studio import Requirements

TASK_S = 47.0
ABLE = Capabilities(gpu_memory_gib=24)


@dataclass
class Rented:
    """A host as it is, which the plan only sees from outside."""

    id: UUID
    price: int
    boots_in_s: float
    age_s: float = 0
    status: HostStatus = "starting"
    reason: StopReason | None = None
    idle_s: float | None = None
    drain_s: float | None = None
    hangs: bool = False
    dead: bool = False
    silent_s: float = 0
    task_left_s: float | None = None

    @property
    def registered(self) -> bool:
        return self.age_s >= self.boots_in_s

    def seen(self) -> Host:
        worker = HostWorker(ABLE, int(self.task_left_s is not None), self.silent_s) if self.registered else None
        return Host(
            self.id, self.label, self.status, self.price, self.age_s, "1", "2", "RTX 4090", 24.0, worker,
            self.idle_s, self.drain_s, self.reason, self.dead,
        )  # fmt: skip

    @property
    def label(self) -> str:
        return f"maru-home-{self.id}"


@dataclass
class Money:
    spent: float = 0
    limit: int = 0


class FleetMachine(RuleBasedStateMachine):
    """The market, the queue and the clock around the plan."""

    hosts: dict[UUID, Rented]
    numbers = count(1)

    @initialize(
        max_hosts=st.integers(1, 4),
        daily=st.integers(50_000, 2_000_000),
        price=st.integers(200_000, 3_000_000),
        life_s=st.sampled_from([3_600.0, 86_400.0]),
    )
    def open(self, max_hosts: int, daily: int, price: int, life_s: float) -> None:
        self.limits = Limits(max_hosts, price, daily, daily * 3, 300, 900, life_s)
        self.hosts = {}
        self.queued = 0
        self.today, self.month = Money(limit=daily), Money(limit=daily * 3)
        self.cut_short: list[StopReason] = []

    @rule(tasks=st.sampled_from([1, 20, 300, 5_000]))
    def enqueue(self, tasks: int) -> None:
        self.queued += tasks

    @rule()
    def cancel_everything(self) -> None:
        self.queued = 0

    @rule()
    def midnight(self) -> None:
        self.today.spent = 0

    @rule(data=st.data(), what=st.sampled_from(["hangs", "dead", "dearer"]))
    def something_happens_to_a_host(self, data: st.DataObject, what: str) -> None:
        if not self.hosts:
            return
        host = self.hosts[data.draw(st.sampled_from(sorted(self.hosts)))]
        match what:
            case "hangs":
                host.hangs, host.task_left_s = True, None
            case "dead":
                host.dead, host.hangs, host.task_left_s = True, True, None
            case _:
                host.price = int(host.price * 1.2)

    @rule(
        steps=st.integers(5, 40),
        seconds=st.sampled_from([20, 60, LOOK_S]),
        boots_in_s=st.sampled_from([30.0, 300.0, 900.0, 1e9]),
        price=st.sampled_from([0.3, 0.9, 1.0]),
    )
    def time_passes(self, steps: int, seconds: int, boots_in_s: float, price: float) -> None:
        for _ in range(steps):
            self.pass_time(seconds)
            self.look(boots_in_s, price)

    def pass_time(self, seconds: float) -> None:
        for host in self.hosts.values():
            for money in (self.today, self.month):
                money.spent += host.price * seconds / 3_600
            host.age_s += seconds
            host.idle_s = None if host.idle_s is None else host.idle_s + seconds
            host.drain_s = None if host.drain_s is None else host.drain_s + seconds
            host.silent_s = host.silent_s + seconds if host.hangs and host.registered else 0
            self.work(host, seconds)

    def work(self, host: Rented, seconds: float) -> None:
        while seconds > 0 and host.registered and not host.hangs:
            if host.task_left_s is None:
                if not self.queued or host.status == "stopping":
                    return
                self.queued -= 1
                host.task_left_s = TASK_S
            worked = min(seconds, host.task_left_s)
            seconds -= worked
            host.task_left_s = host.task_left_s - worked or None

    def look(self, boots_in_s: float, price: float) -> None:
        world = World(
            tuple(host.seen() for host in self.hosts.values()),
            (Demand(1, "image", Requirements(), self.queued, 0, 0, TASK_S),),
            spent_today_micros=int(self.today.spent) + 1,
            spent_month_micros=int(self.month.spent) + 1,
        )
        planned = plan(world, self.limits, runners=("image",))
        left = planned.rent_micros
        for action in planned.actions:
            if isinstance(action, Rent):
                asked = int(min(action.max_price_micros, left) * price)
                if asked > 0:
                    left -= asked
                    rented = Rented(UUID(int=next(self.numbers)), asked, boots_in_s)
                    self.hosts[rented.id] = rented
                continue
            host = self.hosts[action.host.id]
            match action:
                case Ready():
                    host.status = "running"
                case Idle():
                    host.idle_s = 0
                case Busy():
                    host.idle_s = None
                case Drain(reason=reason):
                    host.status, host.reason, host.drain_s = "stopping", reason, 0
                case Stop(reason=reason):
                    if host.task_left_s is not None:
                        self.cut_short.append(reason)
                    del self.hosts[host.id]

    @invariant()
    def never_more_hosts_than_allowed(self) -> None:
        assert len(getattr(self, "hosts", {})) <= getattr(self, "limits", Limits.none()).max_hosts

    @invariant()
    def work_is_cut_short_only_by_money_or_time(self) -> None:
        assert set(getattr(self, "cut_short", [])) <= {"budget_spent", "life_over"}

    def teardown(self) -> None:
        """Nothing more is queued: within the longest of all limits the last host is gone."""
        if not hasattr(self, "hosts"):
            return
        self.queued = 0
        for _ in range(60):
            self.pass_time(60)
            self.look(1e9, 1)
        assert self.hosts == {}


class ThriftyFleetMachine(FleetMachine):
    """The same, where prices stay as they were when a host was rented: then no budget is ever overdrawn."""

    @invariant()
    def never_more_money_than_allowed(self) -> None:
        for money in (getattr(self, "today", Money()), getattr(self, "month", Money())):
            assert money.spent <= money.limit + 1

    @rule()
    def something_happens_to_a_host(self) -> None:  # type: ignore[override]
        for host in self.hosts.values():
            host.hangs, host.task_left_s = True, None


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(max_examples=100, stateful_step_count=20)
TestThriftyFleet = ThriftyFleetMachine.TestCase
TestThriftyFleet.settings = settings(max_examples=100, stateful_step_count=20)
