"""What can be run, by how many, and for how long."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import jsonschema
import pytest

from .conftest import Client, Machines, Shared


async def worker(
    machines: Machines,
    *offers: str,
    spaces: list[str] | None = None,
    allowed: list[str] | None = None,
    silent_s: float = 0,
    revoked: bool = False,
    **more: Any,
) -> UUID:
    """Somebody's machine that has registered; it was last heard `silent_s` ago."""
    token, worker_id = uuid4().hex[:12], uuid4()
    await machines.rows(
        """
        INSERT INTO worker_tokens (id, name, space_ids, runners, revoked_at) VALUES ($1, 'box', $2, $3, CASE WHEN $4 THEN now() END)
        """,
        token,
        spaces,
        allowed,
        revoked,
    )
    draining = more.pop("draining", False)
    await machines.rows(
        """
        INSERT INTO workers (id, token_id, worker_id, capabilities, seen_at, draining)
        VALUES ($1, $2, 'box-1', $3, now() - make_interval(secs => $4), $5)
        """,
        worker_id,
        token,
        json.dumps({"runners": [{"name": name} for name in offers], **more}),
        silent_s,
        draining,
    )
    return worker_id


async def took(machines: Machines, runner: str, gpu: str, tasks: int, run_ms: int, cost: int) -> None:
    await machines.rows("SELECT count_runner_time($1, $2, $3, $4, $5)", runner, gpu, tasks, run_ms, cost)


async def summary(client: Client) -> dict[str, Any]:
    answer = await client.http.get("/api/v1/workers/summary")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def estimate(client: Client, **body: Any) -> dict[str, Any]:
    answer = await client.http.post("/api/v1/jobs/estimate", json={"runner": "image", "count": 10, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_runners_come_with_a_schema_and_their_workers(client: Client, machines: Machines) -> None:
    await worker(machines, "image", "my-upscaler")
    await worker(machines)
    shown = {row["name"]: row for row in (await client.http.get("/api/v1/runners")).json()["runners"]}
    assert list(shown)[:3] == ["image", "diffusers", "command"]
    assert {name: row["workers_online"] for name, row in shown.items()} == {
        "image": 2,
        "diffusers": 1,
        "command": 1,
        "my-upscaler": 2,
    }
    assert shown["my-upscaler"]["params_schema"] is None
    schema = shown["diffusers"]["params_schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["model"]


async def test_workers_are_counted_without_names(shared: Shared, machines: Machines) -> None:
    busy = await worker(machines, "image")
    await worker(machines, "image", "diffusers")
    await worker(machines)
    await worker(machines, "image", silent_s=600)
    await worker(machines, "image", draining=True)
    await worker(machines, "image", revoked=True)
    await worker(machines, "diffusers", spaces=[shared.id])
    await worker(machines, "image", "command", allowed=["command"])
    job_id = await shared.owner.running(2)
    for task in await machines.claim(job_id, 2):
        await machines.rows("UPDATE tasks SET worker_id = $2 WHERE id = $1", task["id"], busy)
    assert await summary(shared.viewer) == {
        "online": 5,
        "busy": 1,
        "any_runner": 1,
        "by_runner": [
            {"runner": "command", "online": 1},
            {"runner": "diffusers", "online": 2},
            {"runner": "image", "online": 2},
        ],
    }
    assert (await summary(shared.stranger))["online"] == 4


async def test_nothing_is_known_before_anything_ran(client: Client) -> None:
    assert await estimate(client) == {
        "seconds": None,
        "run_s": None,
        "cost_micros": None,
        "workers_online": 0,
        "basis": "nothing",
        "tasks_measured": 0,
    }


async def test_an_estimate_follows_from_what_tasks_took_on_such_machines(client: Client, machines: Machines) -> None:
    await took(machines, "image", "NVIDIA H200", 100, 200_000, 5_000)
    await took(machines, "image", "NVIDIA L4", 100, 800_000, 4_000)
    await took(machines, "diffusers", "NVIDIA H200", 1, 90_000, 9_000)
    everywhere = await estimate(client)
    assert (everywhere["basis"], everywhere["seconds"], everywhere["cost_micros"], everywhere["workers_online"]) == (
        "any_gpu",
        50,
        450,
        0,
    )
    for _ in range(3):
        await worker(machines, "image", gpu_name="NVIDIA H200", gpu_memory_gib=140)
    await worker(machines, "image", gpu_name="NVIDIA L4", gpu_memory_gib=24)
    large = await estimate(client, requires={"min_gpu_memory_gib": 80})
    assert (large["basis"], large["workers_online"], large["tasks_measured"]) == ("same_gpu", 3, 100)
    # Ten tasks of two seconds on three machines take four rounds.
    assert (large["seconds"], large["run_s"], large["cost_micros"]) == (8, 20, 500)
    assert (await estimate(client, requires={"gpu": "l4"}))["seconds"] == 80


async def test_workers_of_other_spaces_do_not_count(shared: Shared, machines: Machines) -> None:
    await took(machines, "image", "", 1, 1_000, 0)
    await worker(machines, "image", spaces=[shared.id])
    assert (await estimate(shared.viewer))["workers_online"] == 0
    assert (await estimate(shared.viewer, space_id=shared.id))["workers_online"] == 1
    answer = await shared.stranger.http.post(
        "/api/v1/jobs/estimate", json={"runner": "image", "count": 1, "space_id": shared.id}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "space_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"count": 0}, "invalid"),
        ({"count": 1, "params": {"scale": 99}}, "params_invalid"),
        ({"count": 1, "runner": "No"}, "invalid"),
        ({"count": 1, "requires": {"colour": "red"}}, "invalid"),
    ],
)
async def test_what_cannot_be_estimated_says_why(client: Client, body: dict[str, Any], code: str) -> None:
    answer = await client.http.post("/api/v1/jobs/estimate", json={"runner": "image", **body})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
