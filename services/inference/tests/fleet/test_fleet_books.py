"""Money, tokens and limits as the tables hold them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from inference.fleet.reconcile import Fleet
from shared.studio.worker_tokens import parse
from shared.testing.vast_peer import Fault, VastPeer


async def rented(fleet: Fleet, peer: VastPeer, books: Any, price: float = 0.36, **more: Any) -> Any:
    peer.offer(price, **more)
    await books.queue(5)
    assert (await fleet.look()).rented
    return (await books.hosts())[-1]


def env_of(peer: VastPeer, host: Any) -> dict[str, str]:
    return dict(peer.hosts[int(host["provider_id"])]["extra_env"])


async def test_a_host_gets_a_token_of_its_own_and_where_to_call(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    host = await rented(fleet, peer, books)
    env = env_of(peer, host)
    assert env["MARU_INFERENCE_URL"] == "https://inference.maru.example"
    assert env["MARU_WORKER_NAME"] == host["label"]
    token = await books.connection.fetchrow(
        "SELECT t.*, v.sha256, extract(epoch FROM v.expires_at - now()) AS life FROM maru.worker_tokens t"
        " JOIN maru.worker_token_versions v ON v.token_id = t.id"
    )
    assert parse(env["MARU_WORKER_TOKEN"]) == (host["token_id"], token["sha256"])
    assert token["id"] == host["token_id"]
    assert token["runners"] == ["image", "diffusers", "command"]
    assert token["price_micros_per_hour"] == 360_000
    assert 86_400 < token["life"] <= 86_400 + 900


async def test_the_token_ends_with_its_host(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    await rented(fleet, peer, books)
    await fleet.stop_all()
    assert await books.connection.fetchval("SELECT revoked_at IS NOT NULL FROM maru.worker_tokens")
    assert (await books.host())["reason"] == "asked"


async def test_a_host_costs_its_price_by_its_time(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    await rented(fleet, peer, books)
    await books.later(3600)
    world = await fleet.world()
    assert 360_000 <= world.spent_month_micros < 361_000
    assert world.spent_today_micros <= world.spent_month_micros
    await fleet.stop_all()
    cost = (await books.host())["cost_micros"]
    assert 360_000 <= cost < 361_000
    await books.later(100)
    assert (await books.host())["cost_micros"] == cost


async def test_a_day_counts_only_its_own_hours(fleet: Fleet, books: Any) -> None:
    await books.connection.execute(
        "INSERT INTO maru.gpu_hosts (id, provider, label, price_micros_per_hour, status, created_at, stopped_at, cost_micros)"
        " SELECT gen_random_uuid(), 'vast', 'maru-x-' || n, 0, 'stopped', today - make_interval(hours => 4 * n),"
        " least(now(), today + interval '1 hour' - make_interval(hours => 4 * n - 4)), 4000000"
        " FROM generate_series(1, 2) n, (SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS today) t"
    )
    spent = [
        await books.connection.fetchval(
            "SELECT sum(cost_micros * greatest(0, extract(epoch FROM stopped_at - greatest(created_at,"
            " date_trunc($1, now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'))) / extract(epoch FROM stopped_at - created_at))"
            " FROM maru.gpu_hosts",
            period,
        )
        for period in ("day", "month")
    ]
    world = await fleet.world()
    assert world.spent_today_micros == pytest.approx(float(spent[0]), abs=2)
    assert world.spent_month_micros == pytest.approx(float(spent[1]), abs=2)


async def test_a_price_that_rises_is_what_it_costs(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    host = await rented(fleet, peer, books)
    peer.hosts[int(host["provider_id"])]["dph_total"] = 0.9
    await fleet.look()
    assert (await books.host())["price_micros_per_hour"] == 900_000
    peer.hosts[int(host["provider_id"])]["dph_total"] = 0.1
    await fleet.look()
    assert (await books.host())["price_micros_per_hour"] == 900_000


async def test_a_machine_that_failed_is_not_rented_again(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    peer.offer(0.2, machine_id=1)
    peer.offer(0.4, machine_id=2)
    await books.queue(5)
    await fleet.look()
    await books.later(901)
    peer.offer(0.2, machine_id=1)
    await fleet.look()
    known = [(host["machine_id"], host["reason"]) for host in await books.hosts()]
    assert known == [("1", "boot_timeout"), ("2", None)]


async def test_an_offer_that_is_gone_costs_nothing_and_the_next_is_taken(
    fleet: Fleet, peer: VastPeer, books: Any
) -> None:
    peer.offer(0.2)
    second = peer.offer(0.3)
    await books.queue(5)
    peer.faults = [Fault("create", status=410, text="{}")]
    look = await fleet.look()
    assert [offer.id for offer in look.rented] == [str(second)]
    gone, taken = await books.hosts()
    assert (gone["status"], gone["reason"], gone["cost_micros"]) == ("stopped", "offer_gone", 0)
    assert taken["status"] == "starting"


async def test_a_provider_that_refuses_is_not_asked_each_minute(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    for _ in range(4):
        peer.offer(0.3)
    await books.queue(5)
    peer.faults = [Fault("create", status=402, text='{"msg": "add credit"}')]
    assert "add credit" in (await fleet.look()).troubles[0]
    assert "not asked again yet" in (await fleet.look()).troubles[0]
    assert len([call for call in peer.calls if call.startswith("PUT")]) == 1
    await books.later(601)
    await fleet.look()
    assert len(peer.hosts) == 1


async def test_after_a_week_only_what_cost_something_is_remembered(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    peer.offer(0.2)
    peer.faults = [Fault("create", status=410, text="{}")]
    await rented(fleet, peer, books)
    await books.done()
    await books.later(3600)
    await fleet.stop_all()
    assert await books.connection.fetchval("SELECT count(*) FROM maru.worker_tokens") == 2
    await books.later(7 * 86_400 + 60)
    await fleet.look()
    assert [host["reason"] for host in await books.hosts()] == ["asked"]
    assert await books.connection.fetchval("SELECT count(*) FROM maru.worker_tokens") == 0


async def test_no_more_hosts_than_allowed_and_none_beyond_the_budget(
    fleet_with: Any, peer: VastPeer, books: Any
) -> None:
    for _ in range(5):
        peer.offer(0.5)
    await books.queue(5_000)
    fleet: Fleet = fleet_with(MARU_FLEET_MAX_HOSTS="5", MARU_FLEET_DAILY_BUDGET="0.701")
    look = await fleet.look()
    assert len(peer.hosts) == 2
    assert look.troubles == ["no offer for diffusers at $0.05 an hour"]


async def test_a_dry_run_rents_nothing_but_ends_what_is_there(fleet_with: Any, peer: VastPeer, books: Any) -> None:
    await rented(fleet_with(), peer, books)
    await books.later(901)
    peer.offer(0.3)
    dry: Fleet = fleet_with(MARU_FLEET="dry-run")
    await dry.look()
    look = await dry.look()
    assert peer.hosts == {}
    assert [type(action).__name__ for action in look.actions] == ["Rent"]


async def test_a_host_is_drained_before_it_ends_and_stays_drained(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    worker = await books.register(await rented(fleet, peer, books))
    await books.claim(worker)
    await fleet.look()
    await books.later(86_000)
    await fleet.look()
    assert (await books.host())["status"] == "stopping"
    draining = "SELECT draining FROM maru.workers"
    assert await books.connection.fetchval(draining)
    await books.connection.execute("UPDATE maru.workers SET draining = false")
    await fleet.look()
    assert await books.connection.fetchval(draining), "a worker that registers again is told again"
    assert len(peer.hosts) == 1, "it still works"
    await books.done()
    await books.later(60)
    await fleet.look()
    assert peer.hosts == {}
    assert (await books.host())["reason"] == "life_over"


async def test_what_the_image_turns_out_to_lack_is_not_rented_for_again(
    fleet: Fleet, peer: VastPeer, books: Any
) -> None:
    peer.offer(0.3)
    peer.offer(0.3)
    await books.queue(5, requires=json.dumps({"model": "flux"}))
    await fleet.look()
    await books.register(await books.host(), json.dumps({"runners": [{"name": "image"}], "gpu_memory_gib": 23}))
    look = await fleet.look()
    assert [unmet.obstacle for unmet in look.unmet] == ["image_lacks_it"]
    assert len(peer.hosts) == 1


async def test_how_long_tasks_took_says_how_many_hosts_are_needed(fleet: Fleet, peer: VastPeer, books: Any) -> None:
    await books.connection.execute(
        "INSERT INTO maru.runner_times (runner, gpu_name, tasks, run_ms, cost_micros) VALUES"
        " ('diffusers', 'cpu', 10, 9000000, 0), ('diffusers', 'RTX 4090', 10, 20000, 5000), ('image', 'cpu', 2, 1000, 0)"
    )
    await books.queue(30, waited_s=120)
    await books.queue(4, runner="image")
    demand = {one.runner: one for one in (await fleet.world()).demand}
    assert demand["diffusers"].task_s == 2.0
    assert demand["image"].task_s == 0.5
    assert (demand["diffusers"].queued, demand["diffusers"].work_s) == (30, 60.0)
    assert demand["diffusers"].oldest_wait_s == pytest.approx(120, abs=30)


async def test_hosts_of_another_installation_are_told_of_and_left(fleet_with: Any, peer: VastPeer, books: Any) -> None:
    await rented(fleet_with(), peer, books)
    moved: Fleet = fleet_with(MARU_INFERENCE_PUBLIC_URL="https://elsewhere.example", MARU_FLEET="off")
    look = await moved.look()
    assert "MARU_FLEET_INSTALLATION" in look.troubles[0]
    assert len(peer.hosts) == 1
    named = look.troubles[0].rsplit("'", 2)[1]
    await fleet_with(MARU_FLEET_INSTALLATION=named, MARU_FLEET="off").look()
    assert peer.hosts == {}


async def test_no_token_is_logged(fleet: Fleet, peer: VastPeer, books: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    host = await rented(fleet, peer, books)
    await fleet.stop_all()
    assert host["token_id"] not in caplog.text
    assert peer.api_key not in caplog.text
