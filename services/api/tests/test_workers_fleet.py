"""What administrators see of workers, queues and hosts: numbers and ids of everybody's work, and nothing that anybody wrote."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
import pytest
from shared.db import Database
from shared.ids import new_id
from shared.testing.identity import SignUp, Somebody

BASE = "/api/v1/admin"
SECRET = "아무도 모르는 이름"


@pytest.fixture
async def owner(database_url: str) -> Any:
    """The database as its owner: for what only a dispatcher or a fleet writes."""
    database = Database(database_url, max_size=2)
    yield database
    await database.close()


async def run(database: Database, statement: str, *values: Any) -> Any:
    async with database.service_tx() as connection:
        return await connection.fetchval(statement, *values)


async def job(person: Somebody, tasks: int, **fields: Any) -> str:
    made = await person.http.post("/api/v1/jobs", json={"name": SECRET, "runner": "image", **fields})
    assert made.status_code == 201, made.text
    job_id: str = made.json()["id"]
    answer = await person.http.post(f"/api/v1/jobs/{job_id}/enqueue", json={"count": tasks})
    assert answer.status_code == 200, answer.text
    return job_id


async def worker(admin: Somebody, owner: Database, name: str, **fields: Any) -> UUID:
    """A worker as the dispatcher writes it down."""
    token = (await admin.http.post(f"{BASE}/worker-tokens", json={"name": "box"})).json()
    worker_id = new_id()
    given = {"capabilities": {"runners": [{"name": "image"}]}, "version": "1.2", **fields}
    await run(
        owner,
        "INSERT INTO maru.workers (id, token_id, worker_id, capabilities, version) VALUES ($1, $2, $3, $4, $5)",
        worker_id,
        token["id"],
        name,
        given["capabilities"],
        given["version"],
    )
    return worker_id


async def claim(owner: Database, job_id: str, worker_id: UUID, count: int) -> None:
    await run(
        owner,
        """
        UPDATE maru.tasks SET status = 'processing', attempt = attempt + 1, worker_id = $2, lease_expires_at = now() + interval '1 minute',
          claimed_at = now()
        WHERE id IN (SELECT id FROM maru.tasks WHERE job_id = $1 AND status = 'queued' ORDER BY seq LIMIT $3)
        """,
        UUID(job_id),
        worker_id,
        count,
    )


async def seen(admin: Somebody, what: str) -> list[dict[str, Any]]:
    answer = await admin.http.get(f"{BASE}/{what}")
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    rows: list[dict[str, Any]] = answer.json()[what]
    return rows


async def test_workers_show_what_they_hold(admin: Somebody, sign_up: SignUp, owner: Database) -> None:
    person = await sign_up()
    job_id = await job(person, 30)
    busy, idle = await worker(admin, owner, "busy"), await worker(admin, owner, "idle")
    await claim(owner, job_id, busy, 25)
    shown = {one["worker_id"]: one for one in await seen(admin, "workers")}
    assert (shown["busy"]["status"], shown["busy"]["processing"], len(shown["busy"]["tasks"])) == ("busy", 25, 20)
    assert {task["job_id"] for task in shown["busy"]["tasks"]} == {job_id}
    assert (shown["busy"]["token_name"], shown["busy"]["version"]) == ("box", "1.2")
    assert shown["busy"]["capabilities"]["runners"][0]["name"] == "image"
    assert (shown["idle"]["id"], shown["idle"]["status"], shown["idle"]["tasks"]) == (str(idle), "idle", [])


async def test_a_worker_that_fell_silent_or_stopped_is_offline(admin: Somebody, owner: Database) -> None:
    for name in ("silent", "stopped", "revoked", "here"):
        await worker(admin, owner, name)
    await run(owner, "UPDATE maru.workers SET seen_at = now() - interval '10 minutes' WHERE worker_id = 'silent'")
    await run(owner, "UPDATE maru.workers SET stopped_at = now() WHERE worker_id = 'stopped'")
    await run(
        owner,
        "UPDATE maru.worker_tokens SET revoked_at = now() WHERE id = (SELECT token_id FROM maru.workers WHERE worker_id = 'revoked')",
    )
    shown = {one["worker_id"]: one["status"] for one in await seen(admin, "workers")}
    assert shown == {"silent": "offline", "stopped": "offline", "revoked": "offline", "here": "idle"}


async def test_a_worker_on_a_rented_machine_names_it(admin: Somebody, owner: Database) -> None:
    worker_id = await worker(admin, owner, "rented")
    await run(
        owner,
        """
        INSERT INTO maru.gpu_hosts (id, provider, label, gpu_name, price_micros_per_hour, status, token_id, created_at)
        SELECT $1, 'vast', 'maru-1', 'H200', 3600000, 'running', token_id, now() - interval '30 minutes' FROM maru.workers WHERE id = $2
        """,
        new_id(),
        worker_id,
    )
    (shown,) = await seen(admin, "workers")
    assert (shown["host"]["label"], shown["host"]["gpu_name"]) == ("maru-1", "H200")
    (host,) = await seen(admin, "hosts")
    assert (host["price_per_hour"], host["status"], host["label"]) == (3.6, "running", "maru-1")
    assert host["cost_micros"] >= 1_800_000


async def test_a_worker_is_drained(admin: Somebody, owner: Database) -> None:
    worker_id = await worker(admin, owner, "one")
    for _ in range(2):
        assert (await admin.http.post(f"{BASE}/workers/{worker_id}/drain")).status_code == 204
    (shown,) = await seen(admin, "workers")
    assert (shown["draining"], shown["status"]) == (True, "draining")
    missing = await admin.http.post(f"{BASE}/workers/{new_id()}/drain")
    assert (missing.status_code, missing.json()["code"]) == (404, "worker_not_found")


async def test_queues_count_everybodys_tasks(admin: Somebody, sign_up: SignUp, owner: Database) -> None:
    one, two = await sign_up("one"), await sign_up("two")
    first = await job(one, 5)
    await job(two, 3)
    paused = await job(two, 4)
    await two.http.post(f"/api/v1/jobs/{paused}/pause")
    await job(two, 2, runner="diffusers", params={"model": "m"}, requires={"gpu": "H200"})
    await claim(owner, first, await worker(admin, owner, "w"), 2)
    await run(
        owner,
        "UPDATE maru.tasks SET status = 'delayed' WHERE id = (SELECT id FROM maru.tasks WHERE job_id = $1 AND status = 'queued' LIMIT 1)",
        UUID(first),
    )
    await run(owner, "UPDATE maru.tasks SET run_at = now() - interval '1 hour' WHERE status = 'queued'")
    image, diffusers = await seen(admin, "queues")
    names = ("runner", "queued", "delayed", "held", "processing", "spaces_waiting", "workers")
    assert [image[name] for name in names] == ["image", 5, 1, 4, 2, 2, 1]
    assert [diffusers[name] for name in names] == ["diffusers", 2, 0, 0, 0, 1, 0]
    assert diffusers["requires"]["gpu"] == "H200"
    assert image["oldest_wait_s"] >= 3600


async def test_nothing_waits_where_nothing_was_asked(admin: Somebody) -> None:
    for what in ("queues", "workers", "hosts"):
        assert await seen(admin, what) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/workers"),
        ("GET", "/queues"),
        ("GET", "/hosts"),
        ("POST", "/workers/0190a8a0-0000-7000-8000-000000000000/drain"),
    ],
)
async def test_nobody_else_gets_in(nobody: httpx.AsyncClient, sign_up: SignUp, method: str, path: str) -> None:
    somebody = await sign_up()
    refused = await somebody.http.request(method, BASE + path)
    assert (refused.status_code, refused.json()["code"]) == (403, "admin_only")
    assert (await nobody.request(method, BASE + path)).status_code == 401


@pytest.mark.parametrize(
    "function",
    [
        "queue_summary()",
        "tasks_in_hand(5)",
        "failed_tasks(NULL, NULL, 5)",
        "dead_deliveries(NULL, NULL, 5)",
        "set_aside_messages(NULL, NULL, 5)",
    ],
)
async def test_the_database_itself_tells_nobody_else(
    sign_up: SignUp, admin: Somebody, owner: Database, api_database_url: str, function: str
) -> None:
    """A route that forgot to ask who calls would still show nothing."""
    from shared.db import Principal

    somebody = await sign_up()
    job_id = await job(somebody, 3)
    await claim(owner, job_id, await worker(admin, owner, "w"), 1)
    await run(
        owner,
        """
        UPDATE maru.tasks SET status = 'failed', finished_at = now()
        WHERE id = (SELECT id FROM maru.tasks WHERE status = 'queued' ORDER BY seq LIMIT 1)
        """,
    )
    await run(
        owner,
        "INSERT INTO maru.parked_messages (id, consumer, topic, reason, body) VALUES ($1, 'ingest', 't', 'r', 'b')",
        new_id(),
    )
    await run(
        owner,
        """
        INSERT INTO local.deliveries (message_id, subscription, kind, seq, body, published_at, dead_at)
        VALUES ($1, 's', 'event', 1, '{}', now(), now())
        """,
        new_id(),
    )
    gateway = Database(api_database_url)
    try:
        for person, rows in ((somebody, False), (admin, True)):
            async with gateway.tenant_tx(Principal(UUID(person.id))) as connection:
                found = await connection.fetch(f"SELECT * FROM {function}")
                assert bool(found) is rows
    finally:
        await gateway.close()
