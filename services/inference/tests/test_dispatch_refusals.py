"""What a worker may not do: each refusal says why, and nothing has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from shared.ids import new_id
from shared.studio.worker_tokens import make_token

if TYPE_CHECKING:
    from conftest import Studio, WorkerAgent

CALLS: dict[str, dict[str, Any]] = {
    "register": {"worker_id": "w"},
    "next-task": {"worker_id": "w"},
    "presign": {"task_id": str(new_id()), "attempt": 1, "type": "download_input"},
    "heartbeat": {"tasks": [{"task_id": str(new_id()), "attempt": 1}]},
    "report": {"task_id": str(new_id()), "attempt": 1, "status": "done"},
    "exchange": {"next": {"worker_id": "w"}},
    "release": {"tasks": [{"task_id": str(new_id()), "attempt": 1}]},
    "drain": {"worker_id": "w"},
}


@pytest.mark.parametrize("path", CALLS)
async def test_no_call_without_a_worker_token(studio: Studio, path: str) -> None:
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": "Basic d29ya2VyOnNlY3JldA=="},
        {"Authorization": "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzb21lYm9keSJ9.c2ln"},
        {"Authorization": f"Bearer {make_token()[0]}"},
        {"Authorization": "Bearer wk_short_secret"},
    ]
    for header in headers:
        answer = await studio.http.post(f"/api/v1/worker/{path}", json=CALLS[path], headers=header)
        assert (answer.status_code, answer.json()["code"]) == (401, "worker_token_invalid"), header


@pytest.mark.parametrize("path", CALLS)
async def test_a_token_ends_when_its_time_is_over_and_when_it_is_revoked(studio: Studio, path: str) -> None:
    expired = await studio.worker(valid="-1 second")
    answer = await expired.call(path, CALLS[path])
    assert (answer.status_code, answer.json()["code"]) == (401, "worker_token_expired")

    revoked = await studio.worker()
    assert (await revoked.call("register", CALLS["register"])).status_code == 200
    await studio.gateway.owner.execute("UPDATE maru.worker_tokens SET revoked_at = now()")
    answer = await revoked.call(path, CALLS[path])
    assert (answer.status_code, answer.json()["code"]) == (401, "worker_token_revoked")


async def test_both_versions_of_a_rotated_token_work_until_the_old_one_ends(studio: Studio) -> None:
    old = await studio.worker()
    token_id = old.token.split("_")[1]
    new_token, _, digest = make_token(token_id)
    await studio.gateway.owner.execute(
        "INSERT INTO maru.worker_token_versions VALUES ($1, 2, $2, now(), now() + interval '1 day')", token_id, digest
    )
    job = await studio.gateway.job(1)
    [task] = await old.claim()
    assert task["task_id"] == str(job.tasks[0])
    old.token = new_token
    assert (await old.report(task)).status_code == 200


async def test_a_token_of_one_space_sees_no_task_of_another(studio: Studio) -> None:
    mine, theirs = await studio.gateway.job(1), await studio.gateway.job(3)
    worker, stranger = await studio.worker(spaces=[mine.space_id]), await studio.worker()
    assert [task["job_id"] for task in await worker.claim(10)] == [str(mine.id)]
    taken = await stranger.claim(10)
    assert {task["job_id"] for task in taken} == {str(theirs.id)}
    for answer in (await worker.report(taken[0]), await _presign(worker, taken[0])):
        assert (answer.status_code, answer.json()["code"]) == (404, "task_not_found")
    assert (await worker.heartbeat(taken[0]))["lost"] == [taken[0]["task_id"]]


async def test_a_task_of_another_worker_is_a_lost_lease(studio: Studio) -> None:
    await studio.gateway.job(1)
    holder, other = await studio.worker("holder"), await studio.worker("other")
    [task] = await holder.claim()
    for answer in (await other.report(task), await _presign(other, task), await other.report(task, "failed")):
        assert (answer.status_code, answer.json()["code"]) == (409, "lease_lost")
    assert (await other.heartbeat(task))["lost"] == [task["task_id"]]
    released = await other.call("release", {"tasks": [{"task_id": task["task_id"], "attempt": 1}]})
    assert released.json() == {"released": [], "lost": [task["task_id"]]}
    assert (await holder.heartbeat(task))["extended"] == [task["task_id"]]


async def test_a_task_that_nobody_has_ever_made_is_not_found(studio: Studio) -> None:
    worker = await studio.worker()
    answer = await worker.report({"task_id": str(new_id()), "attempt": 1})
    assert (answer.status_code, answer.json()["code"]) == (404, "task_not_found")


async def test_a_token_of_one_runner_gets_no_task_of_another(studio: Studio) -> None:
    await studio.gateway.job(2, runner="diffusers")
    image = await studio.gateway.job(1, runner="image")
    worker = await studio.worker(runners=["image"])
    assert [task["job_id"] for task in await worker.claim(10)] == [str(image.id)]
    assert await worker.claim(10) == []


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("next-task", {"max_tasks": 0}),
        ("next-task", {"max_tasks": 101}),
        ("next-task", {"wait_s": 61}),
        ("next-task", {"worker_id": ""}),
        ("next-task", {"worker_id": "no spaces"}),
        ("report", {"attempt": 0}),
        ("report", {"status": "cancelled"}),
        ("heartbeat", {"tasks": [{"task_id": "x", "attempt": 1}]}),
        ("heartbeat", {"tasks": [{"task_id": str(new_id()), "attempt": 1, "progress": 2}]}),
    ],
)
async def test_what_makes_no_sense_is_refused(studio: Studio, path: str, change: dict[str, Any]) -> None:
    worker = await studio.worker()
    answer = await worker.call(path, CALLS[path] | change)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_text_that_no_database_takes_is_refused(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    answer = await worker.report(task, "failed", error={"detail": "a \u0000 b"})
    assert (answer.status_code, answer.json()["code"]) == (422, "value_not_storable")
    assert (await worker.heartbeat(task))["extended"] == [task["task_id"]]


async def test_metrics_are_no_place_for_results(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    answer = await worker.report(task, metrics={"picture": "x" * 20_000})
    assert (answer.status_code, answer.json()["code"]) == (422, "metrics_too_large")
    assert (await worker.report(task, metrics={"run_s": 1, "peak_gib": 3.5})).json()["status"] == "done"


async def _presign(worker: WorkerAgent, task: dict[str, Any]) -> Any:
    return await worker.call(
        "presign", {"task_id": task["task_id"], "attempt": task["attempt"], "type": "download_input"}
    )
