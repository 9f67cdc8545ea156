"""A job is cancelled, paused, resumed and tried again while machines work on it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from shared.testing.identity import callback_headers
from shared.testing.serving import SentEvent

from .conftest import Client, Machines, Shared


def counts(job: dict[str, Any]) -> tuple[int, ...]:
    """Queued, processing, done, failed, cancelled."""
    return tuple(job["counts"][name] for name in ("queued", "processing", "done", "failed", "cancelled"))


async def story(client: Client, job_id: str, after: int = 0) -> list[SentEvent]:
    """Everything that followers of an ended job were told."""
    answer = await client.http.get(f"/api/v1/jobs/{job_id}/events", params={"after": after})
    assert answer.status_code == 200, answer.text
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in answer.text.split("\n\n") if block]
    return [SentEvent(int(block["id"]), block["event"], json.loads(block["data"])) for block in blocks if "id" in block]


async def events_of(machines: Machines, topic: str) -> list[dict[str, Any]]:
    rows = await machines.rows("SELECT body::text AS body FROM outbox WHERE topic_or_queue = $1 ORDER BY seq", topic)
    return [json.loads(row["body"]) for row in rows]


async def test_cancelling_ends_everything_unfinished_at_once(client: Client, machines: Machines) -> None:
    job_id = await client.running(6)
    done, failed, retried, working = await machines.claim(job_id, 4)
    await machines.finish(done)
    await machines.fail(failed)
    await machines.fail(retried, retry=True)
    job = await client.command(job_id, "cancel")
    assert (job["status"], counts(job)) == ("cancelled", (0, 0, 1, 1, 4))
    assert job["finished_at"] is not None
    assert await machines.finish(working) is None
    assert counts(await client.read(job_id)) == (0, 0, 1, 1, 4)
    last = (await story(client, job_id))[-1]
    assert (last.type, last.data["status"], last.data["counts"]["cancelled"]) == ("cancelled", "cancelled", 4)
    [finished] = await events_of(machines, "job.finished")
    assert (finished["job_id"], finished["status"], finished["space_id"]) == (job_id, "cancelled", client.who.space_id)
    assert (await client.command(job_id, "cancel"))["status"] == "cancelled"
    assert len(await events_of(machines, "job.finished")) == 1


async def test_what_machines_spent_on_a_cancelled_task_stays_spent(client: Client, machines: Machines) -> None:
    job_id = await client.running(2)
    [working] = await machines.claim(job_id, 1)
    await machines.spend(working, seconds=3600, price_micros_per_hour=500_000)
    job = await client.command(job_id, "cancel")
    assert 500_000 <= job["cost_micros"] < 510_000
    assert 3600 <= job["run_s"] < 3670
    tasks = (await client.http.get(f"/api/v1/jobs/{job_id}/tasks")).json()["tasks"]
    assert [task["cost_micros"] == job["cost_micros"] for task in tasks] == [True, False]
    assert tasks[1]["cost_micros"] == 0


async def test_a_draft_is_cancelled_and_takes_no_more_inputs(client: Client) -> None:
    job_id = await client.job()
    assert (await client.command(job_id, "cancel"))["status"] == "cancelled"
    for name, body in (("enqueue", {"count": 1}), ("pause", None), ("resume", None), ("retry-failed", None)):
        answer = await client.http.post(f"/api/v1/jobs/{job_id}/{name}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "job_state_forbids"), name
        assert "cancelled" in answer.json()["detail"]


async def test_a_paused_job_lets_work_finish_and_gives_out_no_more(client: Client, machines: Machines) -> None:
    job_id = await client.running(4)
    working, retried = await machines.claim(job_id, 2)
    await machines.fail(retried, retry=True)
    paused = await client.command(job_id, "pause")
    assert (paused["status"], counts(paused)) == ("paused", (3, 1, 0, 0, 0))
    assert await machines.claim(job_id) == []
    await machines.finish(working)
    await client.enqueue(job_id, count=2)
    job = await client.read(job_id)
    assert (job["status"], counts(job)) == ("paused", (5, 0, 1, 0, 0))
    assert await machines.claim(job_id) == []
    assert (await client.command(job_id, "pause"))["status"] == "paused"
    resumed = await client.command(job_id, "resume")
    assert (resumed["status"], counts(resumed)) == ("running", (5, 0, 1, 0, 0))
    assert len(await machines.claim(job_id, 10)) == 5


async def test_a_task_that_fails_while_its_job_is_paused_goes_on_with_it(client: Client, machines: Machines) -> None:
    """Its delay may end before or after the job is resumed: either way it is given out again."""
    job_id = await client.running(1)
    [task] = await machines.claim(job_id)
    await client.command(job_id, "pause")
    await machines.fail(task, retry=True)
    assert (await client.command(job_id, "resume"))["counts"]["queued"] == 1
    [again] = await machines.claim(job_id)
    assert (again["id"], again["attempt"]) == (task["id"], 2)


async def test_resumed_tasks_stand_behind_what_others_asked_for_meanwhile(shared: Shared, machines: Machines) -> None:
    first = await shared.owner.running(2)
    await shared.owner.command(first, "pause")
    second = await shared.owner.running(2)
    await shared.owner.command(first, "resume")
    rows = await machines.rows("SELECT job_id::text FROM tasks ORDER BY turn")
    assert [row["job_id"] for row in rows] == [second, second, first, first]


async def test_the_last_task_ends_a_paused_job(client: Client, machines: Machines) -> None:
    job_id = await client.running(1)
    [task] = await machines.claim(job_id)
    await client.command(job_id, "pause")
    await machines.finish(task)
    assert (await client.read(job_id))["status"] == "done"
    answer = await client.http.post(f"/api/v1/jobs/{job_id}/resume")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_state_forbids")


async def test_failed_tasks_are_tried_again_with_a_new_stream(client: Client, machines: Machines) -> None:
    job_id = await client.running(3)
    first, second, third = await machines.claim(job_id, 3)
    await machines.finish(first)
    await machines.fail(second)
    await machines.fail(third)
    before = await client.read(job_id)
    assert (before["status"], counts(before)) == ("failed", (0, 0, 1, 2, 0))
    again = await client.command(job_id, "retry-failed")
    assert (again["status"], counts(again), again["finished_at"]) == ("running", (2, 0, 1, 0, 0), None)
    assert again["stream_id"] != before["stream_id"]
    told = await client.http.get(f"/api/v1/streams/{before['stream_id']}", params={"after": 0})
    assert "event: failed" in told.text
    [waiting] = [task for task in await client.tasks(job_id) if task["id"] == str(second["id"])]
    assert (waiting["status"], waiting["error"], waiting["failures"], waiting["attempt"]) == ("queued", None, 0, 1)
    for task in await machines.claim(job_id, 5):
        assert task["attempt"] == 2
        await machines.finish(task)
    after = await client.read(job_id)
    assert (after["status"], counts(after)) == ("done", (0, 0, 3, 0, 0))


async def test_a_late_report_of_the_attempt_before_changes_nothing(client: Client, machines: Machines) -> None:
    job_id = await client.running(1)
    [first] = await machines.claim(job_id)
    await machines.fail(first)
    await client.command(job_id, "retry-failed")
    [second] = await machines.claim(job_id)
    assert await machines.finish(first) is None
    assert counts(await client.read(job_id)) == (0, 1, 0, 0, 0)
    assert await machines.finish(second) == "done"


async def test_one_task_is_tried_again(client: Client, machines: Machines) -> None:
    job_id = await client.running(2)
    tasks = await machines.claim(job_id, 2)
    for task in tasks:
        await machines.fail(task)
    answer = await client.http.post(f"/api/v1/tasks/{tasks[0]['id']}/retry")
    assert (answer.status_code, answer.json()["status"]) == (200, "queued")
    job = await client.read(job_id)
    assert (job["status"], counts(job)) == ("running", (1, 0, 0, 1, 0))
    again = await client.http.post(f"/api/v1/tasks/{tasks[0]['id']}/retry")
    assert (again.status_code, again.json()["code"]) == (409, "task_not_failed")
    assert "queued" in again.json()["detail"]


async def test_what_is_tried_again_in_a_paused_job_waits_with_it(client: Client, machines: Machines) -> None:
    job_id = await client.running(2)
    [task] = await machines.claim(job_id)
    await machines.fail(task)
    await client.command(job_id, "pause")
    job = await client.command(job_id, "retry-failed")
    assert (job["status"], counts(job)) == ("paused", (2, 0, 0, 0, 0))
    assert await machines.claim(job_id) == []


async def test_trying_again_counts_hundreds_exactly_and_tells_of_the_first(client: Client, machines: Machines) -> None:
    job_id = await client.running(250)
    for task in await machines.claim(job_id, 240):
        await machines.fail(task)
    job = await client.command(job_id, "retry-failed")
    assert counts(job) == (250, 0, 0, 0, 0)
    assert len(await machines.claim(job_id, 300)) == 250
    await client.command(job_id, "cancel")
    told = [event.data for event in await story(client, job_id) if event.type == "progress"]
    assert [task["seq"] for task in told[-2]["tasks"]] == list(range(100))


async def test_followers_hear_of_every_command(client: Client, machines: Machines) -> None:
    job_id = await client.running(2)
    await client.command(job_id, "pause")
    await client.command(job_id, "resume")
    [task] = await machines.claim(job_id)
    await machines.fail(task)
    await client.command(job_id, "retry-failed")
    await client.command(job_id, "cancel")
    told = await story(client, job_id)
    assert [event.data["status"] for event in told if event.type == "progress"][:3] == ["queued", "paused", "queued"]
    assert [event.id for event in told] == sorted({event.id for event in told})
    failed = [task for event in told if event.type == "progress" for task in event.data["tasks"] if task["error"]]
    assert [(task["seq"], task["status"]) for task in failed] == [(0, "failed")]
    assert told[-1].type == "cancelled"
    assert (await client.http.get(f"/api/v1/jobs/{job_id}/events", params={"after": told[-1].id})).status_code == 204


async def test_a_draft_tells_nothing_yet(client: Client) -> None:
    answer = await client.http.get(f"/api/v1/jobs/{await client.job()}/events")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_not_submitted")


async def test_members_look_and_only_writers_command(shared: Shared, machines: Machines) -> None:
    job_id = await shared.editor.running(1, space_id=shared.id)
    [task] = await shared.viewer.tasks(job_id)
    commands = [
        ("PATCH", f"/api/v1/jobs/{job_id}", {"name": "mine"}),
        ("DELETE", f"/api/v1/jobs/{job_id}", None),
        ("POST", f"/api/v1/jobs/{job_id}/enqueue", {"count": 1}),
        *(("POST", f"/api/v1/jobs/{job_id}/{name}", None) for name in ("cancel", "pause", "resume", "retry-failed")),
        ("POST", f"/api/v1/tasks/{task['id']}/retry", None),
    ]
    for method, path, body in commands:
        for who, status, codes in (
            (shared.viewer, 403, {"space_read_only"}),
            (shared.stranger, 404, {"job_not_found", "task_not_found"}),
        ):
            answer = await who.http.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"] in codes) == (status, True), (method, path)
    made = await shared.viewer.http.post("/api/v1/jobs", json={"name": "x", "runner": "y", "space_id": shared.id})
    assert (made.status_code, made.json()["code"]) == (403, "space_read_only")
    job = await shared.owner.read(job_id)
    assert (job["status"], counts(job)) == ("queued", (1, 0, 0, 0, 0))


async def test_a_deleted_job_takes_its_tasks_and_promises_to_take_its_results(
    client: Client, machines: Machines
) -> None:
    job_id = await client.running(2)
    done, working = await machines.claim(job_id, 2)
    await machines.finish(done)
    assert (await client.http.delete(f"/api/v1/jobs/{job_id}")).status_code == 204
    assert (await client.http.get(f"/api/v1/jobs/{job_id}")).status_code == 404
    assert await machines.finish(working) is None
    left = await machines.rows(
        "SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM job_deltas) + (SELECT count(*) FROM streams WHERE kind = 'job') AS rows"
    )
    assert left[0]["rows"] == 0
    promises = await machines.rows(
        "SELECT body::text AS body, not_before > now() + interval '1 hour' AS later FROM outbox WHERE topic_or_queue = 'forget-job' ORDER BY seq"
    )
    assert [row["later"] for row in promises] == [None, True]
    assert {row["body"] for row in promises} == {json.dumps({"job_id": job_id, "space_id": client.who.space_id})}


async def test_results_of_a_deleted_job_go_and_those_beside_them_stay(
    client: Client, machines: Machines, nobody: httpx.AsyncClient
) -> None:
    jobs = [await client.running(1) for _ in range(2)]
    for job_id in jobs:
        [task] = await machines.claim(job_id)
        await machines.finish(task)
    gone, kept = [task["output_path"] for job_id in jobs for task in await client.tasks(job_id)]
    body = {"job_id": jobs[0], "space_id": client.who.space_id}
    assert (await nobody.post("/internal/tasks/forget-job", json=body)).status_code == 401
    for _ in range(2):
        answer = await nobody.post("/internal/tasks/forget-job", json=body, headers=callback_headers())
        assert answer.status_code == 204
    assert await machines.storage.head(gone) is None
    assert await machines.storage.head(kept) is not None


async def test_a_job_is_renamed(client: Client) -> None:
    job_id = await client.job()
    answer = await client.http.patch(f"/api/v1/jobs/{job_id}", json={"name": " 새 이름 "})
    assert (answer.status_code, answer.json()["name"]) == (200, "새 이름")


@pytest.mark.parametrize("command", ["cancel", "pause"])
async def test_commands_and_reports_at_once_keep_every_count(client: Client, machines: Machines, command: str) -> None:
    job_id = await client.running(40)
    tasks = await machines.claim(job_id, 30)

    async def report() -> None:
        for number, task in enumerate(tasks):
            await (machines.finish(task) if number % 3 else machines.fail(task))

    async def steer() -> None:
        for _ in range(3):
            await client.http.post(f"/api/v1/jobs/{job_id}/{command}")
            await client.http.post(f"/api/v1/jobs/{job_id}/resume")
            await client.http.post(f"/api/v1/jobs/{job_id}/retry-failed")

    await asyncio.gather(report(), steer())
    job = await client.read(job_id)
    [row] = await machines.rows(
        """
        SELECT count(*) FILTER (WHERE status IN ('queued', 'delayed', 'held')) AS queued, count(*) FILTER (WHERE status = 'processing') AS processing,
          count(*) FILTER (WHERE status = 'done') AS done, count(*) FILTER (WHERE status = 'failed') AS failed,
          count(*) FILTER (WHERE status = 'cancelled') AS cancelled FROM tasks WHERE job_id = $1
        """,
        job_id,
    )
    assert counts(job) == tuple(row)


async def test_commands_and_urgent_jobs_of_one_space_do_not_lock_each_other_out(client: Client) -> None:
    """An urgent job moves the turns of the others' tasks while those are held, cancelled and deleted."""
    low = [await client.running(150) for _ in range(3)]

    async def urge() -> list[int]:
        jobs = [await client.job(priority=5 + number) for number in range(4)]
        answers = [await client.http.post(f"/api/v1/jobs/{job}/enqueue", json={"count": 20}) for job in jobs]
        return [answer.status_code for answer in answers]

    async def steer(job_id: str, *ends: tuple[str, str]) -> list[int]:
        steps = [("POST", "/pause"), ("POST", "/resume"), ("POST", "/pause"), *ends]
        answers = [await client.http.request(method, f"/api/v1/jobs/{job_id}{name}") for method, name in steps]
        return [answer.status_code for answer in answers]

    statuses = await asyncio.gather(
        urge(), steer(low[0], ("POST", "/cancel")), steer(low[1], ("DELETE", "")), steer(low[2], ("POST", "/resume"))
    )
    assert {status for each in statuses for status in each} == {200, 204}
