"""What is decided: for one queue, for one host, and in any world that hypothesis can think of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference.fleet.demand import CATCH_UP_S, Demand, OwnWorker, Witness, missing
from inference.fleet.hosts import Drain, Host, HostWorker, Patience, Ready, Stop, step
from inference.fleet.listing import compare
from inference.fleet.plan import Limits, Rent, World, money_left, plan
from inference.fleet.provider import ListedHost, Needs
from shared.contracts.dispatch import Capabilities, RunnerOffer
from shared.contracts.studio import Requirements
from shared.ids import new_id

RUNNERS = ("image", "diffusers")
LIMITS = Limits(
    max_hosts=3,
    max_price_micros=1_000_000,
    daily_micros=20_000_000,
    monthly_micros=100_000_000,
    idle_s=300,
    boot_s=900,
    life_s=86_400,
)
ANYTHING = Capabilities(gpu_memory_gib=23.6, gpu_name="NVIDIA GeForce RTX 4090")
CPU = Capabilities(runners=[RunnerOffer(name="image")])


def demand(queued: int = 10, **changes: Any) -> Demand:
    changes.setdefault("requires", Requirements())
    return Demand(**({"queue_id": 1, "runner": "diffusers", "queued": queued, "task_s": 10.0} | changes))


def host(status: Any = "running", **changes: Any) -> Host:
    worker = None if status == "starting" else HostWorker(ANYTHING, 0, 1)
    plain = Host(new_id(), "maru-home-1", status, 400_000, 600, "7", "57", "RTX 4090", 24, worker)
    return replace(plain, **changes)


def decide(*demands: Demand, hosts: tuple[Host, ...] = (), limits: Limits = LIMITS, **world: Any) -> Any:
    return plan(World(hosts, demands, **world), limits, runners=RUNNERS)


def working(tasks: int = 1) -> HostWorker:
    return HostWorker(ANYTHING, tasks, 1)


class TestHowManyHosts:
    def test_a_little_work_needs_one(self) -> None:
        assert decide(demand(1)).rents == (Rent(Needs(), 1_000_000, demand(1)),)

    def test_much_work_needs_as_many_as_finish_it_in_half_an_hour(self) -> None:
        [one] = missing([demand(1000)], (), ())
        assert one.hosts == 6
        assert len(decide(demand(1000)).rents) == LIMITS.max_hosts
        [unmet] = decide(demand(1000)).unmet
        assert (unmet.hosts, unmet.obstacle) == (3, "max_hosts")

    def test_tasks_in_hand_alone_need_none(self) -> None:
        assert decide(demand(0, processing=5)).actions == ()

    @pytest.mark.parametrize("there", [host(), host("starting")])
    def test_a_host_that_is_there_or_comes_is_counted(self, there: Host) -> None:
        assert decide(demand(10), hosts=(there,)).rents == ()
        assert len(decide(demand(200), hosts=(there,)).rents) == 1

    def test_a_host_that_ends_is_not_counted_on_but_takes_its_place(self) -> None:
        ending = host("stopping", worker=working())
        assert len(decide(demand(10), hosts=(ending,)).rents) == 1
        assert decide(demand(10), hosts=(ending,), limits=replace(LIMITS, max_hosts=1)).rents == ()

    def test_one_host_serves_queues_that_ask_for_less(self) -> None:
        strict = demand(5, queue_id=2, requires=Requirements(gpu="RTX 4090", min_gpu_memory_gib=20))
        [rent] = decide(demand(5), strict).rents
        assert rent.needs == Needs("RTX 4090", 20)

    def test_queues_with_different_needs_get_hosts_of_their_own(self) -> None:
        big, other = (
            demand(5, requires=Requirements(gpu="H200")),
            demand(5, queue_id=2, requires=Requirements(gpu="L4")),
        )
        assert {rent.needs.gpu for rent in decide(big, other).rents} == {"H200", "L4"}

    def test_the_longest_wait_comes_first(self) -> None:
        queues = [demand(5, queue_id=n, requires=Requirements(gpu=f"G{n}"), oldest_wait_s=n * 10) for n in range(5)]
        assert [rent.demand.queue_id for rent in decide(*queues).rents] == [4, 3, 2]

    def test_our_own_machines_do_what_they_can(self) -> None:
        image = demand(10, runner="image")
        assert decide(image, own_workers=(OwnWorker(CPU),)).rents == ()
        assert len(decide(demand(10), own_workers=(OwnWorker(CPU),)).rents) == 1
        scoped = OwnWorker(CPU, frozenset({"diffusers"}))
        assert len(decide(image, own_workers=(scoped,)).rents) == 1

    def test_unless_they_do_not_keep_up(self) -> None:
        late = demand(10, runner="image", oldest_wait_s=CATCH_UP_S + 1)
        assert len(decide(late, own_workers=(OwnWorker(CPU),)).rents) == 1

    def test_what_the_image_was_seen_to_lack_is_not_rented_for(self) -> None:
        needs_model = demand(5, requires=Requirements(model="flux"))
        without = Witness("RTX 4090", Capabilities(runners=[RunnerOffer(name="diffusers")], gpu_memory_gib=23.6))
        planned = decide(needs_model, witnesses=(without,))
        assert planned.rents == ()
        assert [unmet.obstacle for unmet in planned.unmet] == ["image_lacks_it"]
        able = Witness("L4", Capabilities(runners=[RunnerOffer(name="diffusers", models=["flux"])], gpu_memory_gib=20))
        assert len(decide(needs_model, witnesses=(without, able)).rents) == 1

    def test_a_smaller_host_is_no_witness(self) -> None:
        big = demand(5, requires=Requirements(min_gpu_memory_gib=80))
        assert len(decide(big, witnesses=(Witness("RTX 4090", ANYTHING),)).rents) == 1

    def test_runners_that_the_image_does_not_have_are_not_rented_for(self) -> None:
        planned = decide(demand(5, runner="folding"))
        assert planned.rents == ()
        assert [unmet.obstacle for unmet in planned.unmet] == ["runner_not_rented_for"]


class TestMoney:
    def test_a_price_is_what_the_budget_lasts_for(self) -> None:
        limits = replace(LIMITS, daily_micros=200_000)
        [rent] = decide(demand(1), limits=limits).rents
        assert rent.max_price_micros * limits.stint_s / 3600 <= 200_000

    def test_several_hosts_share_what_is_left(self) -> None:
        limits = replace(LIMITS, daily_micros=1_000_000)
        planned = decide(demand(500), limits=limits)
        assert len(planned.rents) == 3
        assert planned.rent_micros * limits.stint_s / 3600 <= 1_000_000

    @pytest.mark.parametrize("spent", [{"spent_today_micros": 19_999_000}, {"spent_month_micros": 99_999_000}])
    def test_nothing_is_rented_for_the_last_cent(self, spent: dict[str, int]) -> None:
        planned = decide(demand(5), **spent)
        assert planned.rents == ()
        assert [unmet.obstacle for unmet in planned.unmet] == ["budget"]

    def test_hosts_finish_while_there_is_still_money_for_it(self) -> None:
        busy = host(worker=working())
        assert decide(demand(5), hosts=(busy,), spent_today_micros=19_950_000).actions == (Drain(busy, "budget_spent"),)

    def test_and_end_before_it_is_spent(self) -> None:
        busy = host(worker=working())
        assert decide(demand(5), hosts=(busy,), spent_today_micros=19_990_000).actions == (Stop(busy, "budget_spent"),)

    def test_those_that_rest_go_first(self) -> None:
        busy, idle = host(worker=working()), host()
        actions = decide(demand(5), hosts=(idle, busy), spent_today_micros=19_970_000).actions
        assert Stop(idle, "budget_spent") in actions
        assert Drain(busy, "budget_spent") in actions

    def test_a_host_whose_price_rose_above_the_limit_finishes(self) -> None:
        dear = host(worker=working(), price_micros_per_hour=1_000_001)
        assert decide(demand(0), hosts=(dear,)).actions == (Drain(dear, "price_rose"),)

    def test_a_replacement_comes_while_a_host_finishes(self) -> None:
        dear = host(worker=working(), price_micros_per_hour=1_000_001)
        assert len(decide(demand(5), hosts=(dear,)).rents) == 1


class TestOneHost:
    @pytest.mark.parametrize(
        ("there", "queued", "expected"),
        [
            (host("starting"), 0, None),
            (host("starting", worker=working(0)), 0, "Ready"),
            (host("starting", age_s=901), 5, "boot_timeout"),
            (host("starting", dead=True), 5, "exited"),
            (host(), 0, "Idle"),
            (host(idle_s=299), 0, None),
            (host(idle_s=300), 0, "drain idle"),
            (host(idle_s=300), 5, None),
            (host(idle_s=1201), 5, "drain takes_no_work"),
            (host(worker=working()), 0, None),
            (host(worker=working(), idle_s=100), 0, "Busy"),
            (host(worker=working(), idle_s=9_999, dead=True), 0, "Busy"),
            (host(worker=HostWorker(ANYTHING, 0, 301)), 5, "silent"),
            (host(worker=None), 5, "silent"),
            (host(dead=True), 5, "exited"),
            (host(age_s=85_600), 5, "drain life_over"),
            (host(age_s=86_400, worker=working()), 5, "life_over"),
            (host("stopping", worker=working(), reason="idle", drain_s=900), 5, None),
            (host("stopping", reason="price_rose", drain_s=4), 5, None),
            (host("stopping", reason="price_rose", drain_s=5), 5, "price_rose"),
            (host("stopped"), 5, None),
        ],
    )
    def test_its_life(self, there: Host, queued: int, expected: str | None) -> None:
        actions = decide(demand(queued), hosts=(there,)).actions
        said = [
            a.reason if isinstance(a, Stop) else f"drain {a.reason}" if isinstance(a, Drain) else type(a).__name__
            for a in actions
            if not isinstance(a, Rent)
        ]
        assert said == ([] if expected is None else [expected])

    def test_a_fleet_that_is_off_ends_them_all_and_rents_none(self) -> None:
        hosts = (host("starting"), host(worker=working()), host("stopping", worker=working()), host("stopped"))
        planned = plan(World(hosts, (demand(50),)), Limits.none(), runners=RUNNERS, ending="fleet_off")
        assert planned.actions == tuple(Stop(one, "fleet_off") for one in hosts[:3])


statuses = st.sampled_from(["starting", "running", "stopping", "stopped"])
ages = st.floats(0, 200_000, allow_nan=False)
workers = st.none() | st.builds(HostWorker, st.just(ANYTHING), st.integers(0, 3), ages)
hosts = st.builds(
    Host,
    st.uuids(),
    st.sampled_from(["maru-home-1", "maru-home-2", "maru-home-3"]),
    statuses,
    st.integers(0, 3_000_000),
    ages,
    st.none() | st.sampled_from(["1", "2", "3"]),
    worker=workers,
    idle_s=st.none() | ages,
    drain_s=st.none() | ages,
    dead=st.booleans(),
)
demands = st.builds(
    Demand,
    st.integers(1, 4),
    st.sampled_from(["image", "diffusers", "folding"]),
    st.builds(
        Requirements,
        gpu=st.none() | st.sampled_from(["H200", "4090"]),
        min_gpu_memory_gib=st.none() | st.floats(0, 100),
    ),
    st.integers(0, 100_000),
    st.integers(0, 100),
    ages,
    st.none() | st.floats(0.001, 10_000),
)
money = st.integers(1, 50_000_000)
limits_strategy = st.builds(
    Limits, st.integers(0, 6), st.integers(1, 5_000_000), money, money,
    st.floats(1, 3_600), st.floats(1, 7_200), st.floats(60, 200_000),
)  # fmt: skip
worlds = st.builds(
    World,
    st.lists(hosts, max_size=6, unique_by=lambda one: one.id).map(tuple),
    st.lists(demands, max_size=4, unique_by=lambda one: one.queue_id).map(tuple),
    st.just(()) | st.just((OwnWorker(CPU),)),
    st.just(()) | st.just((Witness("RTX 4090", ANYTHING),)),
    st.integers(0, 60_000_000),
    st.integers(0, 60_000_000),
)


@given(worlds, limits_strategy)
@settings(max_examples=150)
def test_in_any_world_no_limit_is_broken(world: World, limits: Limits) -> None:
    planned = plan(world, limits, runners=RUNNERS)
    live = [one for one in world.hosts if one.status != "stopped"]
    rents = planned.rents
    assert len(rents) <= max(0, limits.max_hosts - len(live))
    assert all(0 < rent.max_price_micros <= limits.max_price_micros for rent in rents)
    burn = sum(one.price_micros_per_hour for one in live) + planned.rent_micros
    if rents:
        assert burn * limits.stint_s / 3600 <= money_left(world, limits) + 1


@given(worlds, limits_strategy)
@settings(max_examples=150)
def test_in_any_world_work_is_ended_only_when_money_or_time_is_over(world: World, limits: Limits) -> None:
    for action in plan(world, limits, runners=RUNNERS).actions:
        if isinstance(action, Stop) and action.host.works and action.host.status == "running":
            assert action.reason in {"budget_spent", "life_over"}
        if isinstance(action, Stop) and action.host.works and action.host.status == "stopping":
            assert action.reason in {"budget_spent", "life_over"}


@given(hosts, st.booleans())
def test_in_any_state_a_host_has_one_way_to_go(one: Host, useful: bool) -> None:
    patience = Patience(300, 900, 86_400)
    for must in (None, "asked"):
        action = step(one, patience, useful=useful, must_end=must, should_end=None)  # type: ignore[arg-type]
        if one.status == "stopped":
            assert action is None
        elif must:
            assert isinstance(action, Stop)
        if isinstance(action, Ready):
            assert one.status == "starting"


@given(
    st.lists(hosts.filter(lambda one: one.status != "stopped"), max_size=3, unique_by=lambda one: one.label),
    st.lists(
        st.builds(
            ListedHost, st.sampled_from(["1", "2", "3", "4", "5"]), st.sampled_from(["maru-home-1", "maru-home-2", "maru-home-9"]),
            st.none(), st.none() | st.integers(0, 9_000_000), st.booleans(),
        ),
        max_size=5,
        unique_by=lambda one: one.provider_id,
    ),
)  # fmt: skip
def test_a_list_leaves_no_host_unaccounted_for(ours: list[Host], listed: list[ListedHost]) -> None:
    found = compare(ours, listed)
    assert len(found.hosts) + len(found.ended) == len(ours)
    kept = {one.provider_id for one in found.hosts if one.label in {other.label for other in listed}}
    assert kept | {one.provider_id for one in found.strangers} == {one.provider_id for one in listed}
    assert not kept & {one.provider_id for one in found.strangers}
    before = {one.id: one.price_micros_per_hour for one in ours}
    assert all(one.price_micros_per_hour >= before[one.id] for one in found.hosts)
