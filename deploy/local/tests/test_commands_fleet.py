"""`maru fleet`: what would be done and what it costs, what is there, and an end to all of it."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from maru.cli import app
from maru.errors import CannotStart
from shared.ids import new_id
from shared.settings import SettingMissing
from shared.testing.postgres import RoleUrls
from shared.testing.vast_peer import Fault, VastPeer, run_vast_peer
from typer.testing import CliRunner

PREFIX = "maru-home-"


@pytest.fixture
def peer() -> Generator[VastPeer]:
    with run_vast_peer() as running:
        yield running


@pytest.fixture
def env(peer: VastPeer, database_urls: RoleUrls, tmp_path: Path) -> dict[str, str]:
    return {
        "MARU_HOME": str(tmp_path),
        "DATABASE_URL": database_urls.inference,
        "VAST_API_KEY": peer.api_key,
        "VAST_API_URL": peer.url,
        "MARU_INFERENCE_PUBLIC_URL": "https://inference.maru.example",
        "MARU_FLEET_INSTALLATION": "home",
        "MARU_FLEET_IMAGE": "ghcr.io/maru/worker:1",
        "MARU_FLEET_MAX_PRICE": "1",
        "MARU_FLEET_DAILY_BUDGET": "10",
        "MARU_FLEET_MONTHLY_BUDGET": "100",
    }


def maru(env: dict[str, str], *words: str) -> Any:
    return CliRunner(env=env).invoke(app, ["fleet", *words], catch_exceptions=False)


def queue(dsn: str, tasks: int) -> None:
    space, job = new_id(), new_id()
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute("SET search_path = maru")
        owner.execute(
            "INSERT INTO spaces (id, name, kind, owner_id) VALUES (%s, 'Studio', 'shared', %s)", [space, new_id()]
        )
        owner.execute(
            "INSERT INTO jobs (id, space_id, owner_id, name, kind, runner, requires, status, total)"
            " VALUES (%s, %s, %s, 'Job', 'inference', 'diffusers', '{\"gpu\": \"4090\"}', 'queued', %s)",
            [job, space, new_id(), tasks],
        )
        owner.execute(
            "INSERT INTO tasks (id, job_id, space_id, seq, queue_id, priority, turn, max_failures)"
            " SELECT gen_random_uuid(), %s, %s, n, task_queue('diffusers', '{\"gpu\": \"4090\"}'), 0, n, 3"
            " FROM generate_series(1, %s) n",
            [job, space, tasks],
        )


def host(dsn: str, label: str, provider_id: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO maru.gpu_hosts (id, provider, provider_id, label, gpu_name, price_micros_per_hour, status, created_at)"
            " VALUES (%s, 'vast', %s, %s, 'RTX 4090', 500000, 'running', now() - interval '1 hour')",
            [new_id(), str(provider_id), label],
        )


def test_a_plan_says_what_it_would_rent_and_cost_and_rents_nothing(
    env: dict[str, str], peer: VastPeer, database_url: str
) -> None:
    peer.offer(0.3)
    peer.offer(0.2, gpu_name="L4")
    queue(database_url, 60)
    said = maru(env, "plan").output
    assert "diffusers (gpu 4090): 60 queued, 0 in hand" in said
    assert "0.5 h of one machine, $0.15" in said
    assert "rent for diffusers: RTX 4090, 24 GiB, $0.30 an hour" in said
    assert "Cost: $0.00 an hour now, $0.30 then" in said
    assert "Spent: $0.00 of $10.00 today, $0.00 of $100.00 this month" in said
    assert peer.hosts == {}
    assert not any(call.startswith(("PUT", "DELETE")) for call in peer.calls)


def test_a_plan_says_why_something_is_not_rented(env: dict[str, str], peer: VastPeer, database_url: str) -> None:
    queue(database_url, 600)
    said = maru(env, "plan").output
    assert "no offer at $1.00 an hour" in said
    assert "nobody would do it" in said
    assert "9 more for diffusers not rented: MARU_FLEET_MAX_HOSTS are there" in said
    assert "budget does not last" in maru(env | {"MARU_FLEET_DAILY_BUDGET": "0.001"}, "plan").output


def test_a_plan_names_the_hosts_that_would_end(env: dict[str, str], peer: VastPeer, database_url: str) -> None:
    label = f"{PREFIX}1"
    host(database_url, label, peer.host(label))
    said = maru(env, "plan").output
    assert f"end {label} (silent)" in said
    assert "Cost: $0.50 an hour now, $0.00 then" in said
    assert "Queues: empty" in said


def test_with_nothing_to_do_a_plan_says_so(env: dict[str, str]) -> None:
    assert "To do: nothing" in maru(env, "plan").output


def test_a_plan_needs_its_settings(env: dict[str, str]) -> None:
    with pytest.raises(SettingMissing, match="VAST_API_KEY"):
        maru(env | {"VAST_API_KEY": ""}, "plan")


def test_the_status_is_read_from_our_own_books(env: dict[str, str], peer: VastPeer, database_url: str) -> None:
    assert "no host was rented within a week" in maru(env, "status").output
    host(database_url, f"{PREFIX}1", 1)
    said = maru(env | {"VAST_API_KEY": ""}, "status").output
    assert re.search(rf"{PREFIX}1 +running +RTX 4090 +\$0.50 an hour +\$0.50 until now", said)
    assert peer.calls == []


def test_everything_of_ours_is_ended_and_nothing_else(env: dict[str, str], peer: VastPeer, database_url: str) -> None:
    host(database_url, f"{PREFIX}1", peer.host(f"{PREFIX}1"))
    peer.host(f"{PREFIX}unknown")
    peer.host("training")
    done = maru(env | {"MARU_FLEET": "on"}, "stop", "--all")
    assert done.exit_code == 0
    assert "2 hosts are ended" in done.output
    assert "MARU_FLEET is on" in done.output
    assert peer.labels() == ["training"]


def test_what_could_not_be_ended_is_told(env: dict[str, str], peer: VastPeer, database_url: str) -> None:
    host(database_url, f"{PREFIX}1", peer.host(f"{PREFIX}1"))
    peer.faults = [Fault("destroy", status=403)]
    done = maru(env, "stop", "--all")
    assert done.exit_code == 1
    assert "VAST_API_KEY" in done.output


def test_ending_everything_has_to_be_said(env: dict[str, str], peer: VastPeer) -> None:
    with pytest.raises(CannotStart, match="--all"):
        maru(env, "stop")
    with pytest.raises(CannotStart, match="VAST_API_KEY"):
        maru(env | {"VAST_API_KEY": ""}, "stop", "--all")
    assert peer.calls == []
