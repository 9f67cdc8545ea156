"""A job is made, given inputs, read and listed."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Client, Machines, Shared

NOTHING = {"queued": 0, "processing": 0, "done": 0, "failed": 0, "cancelled": 0}


async def test_a_new_job_is_a_draft_of_the_personal_space(client: Client) -> None:
    made = await client.http.post("/api/v1/jobs", json={"name": " 고양이 ", "runner": "image", "params": {"scale": 4}})
    job = made.json()
    assert made.status_code == 201
    assert (job["name"], job["status"], job["space_id"], job["kind"]) == (
        "고양이",
        "draft",
        client.who.space_id,
        "inference",
    )
    assert (job["counts"], job["total"], job["stream_id"], job["params"]) == (NOTHING, 0, None, {"scale": 4})
    assert await client.read(job["id"]) == job


async def test_a_photo_becomes_a_task_and_its_result_a_file(client: Client, machines: Machines) -> None:
    upload, job_id = await client.upload("검은 고양이.png"), await client.job(runner="image")
    answer = await client.enqueue(job_id, input_paths=[upload])
    assert (answer["created"], answer["job"]["status"], answer["job"]["counts"]["queued"]) == (1, "queued", 1)
    [waiting] = await client.tasks(job_id)
    assert (waiting["status"], waiting["input_path"], waiting["input_name"], waiting["seq"]) == (
        "queued",
        upload,
        "검은 고양이.png",
        0,
    )
    [task] = await machines.claim(job_id)
    running = await client.read(job_id)
    assert (running["status"], running["counts"]["processing"], running["counts"]["queued"]) == ("running", 1, 0)
    assert running["started_at"] is not None
    assert await machines.finish(task, b"a result", "grey.png") == "done"
    job = await client.read(job_id)
    assert (job["status"], job["counts"]["done"], job["cost_micros"], job["run_s"]) == ("done", 1, 20, 1.5)
    assert job["finished_at"] is not None
    one = (await client.http.get(f"/api/v1/tasks/{waiting['id']}")).json()
    assert (one["status"], one["worker"], one["output_name"], one["output_size"]) == ("done", "box-1", "grey.png", 8)
    for place, content in ((one["output_url"], b"a result"), (one["input_url"], None)):
        redirect = await client.http.get(place)
        assert redirect.status_code == 302
        file = await client.http.get(redirect.headers["location"].removeprefix("http://127.0.0.1:8000"))
        assert file.status_code == 200
        assert content in {None, file.content}


async def test_a_result_is_an_input_of_the_next_job(client: Client, machines: Machines) -> None:
    first = await client.running(1)
    [task] = await machines.claim(first)
    await machines.finish(task, name="mask.png")
    [done] = await client.tasks(first)
    second = await client.job()
    await client.enqueue(second, input_paths=[done["output_path"]])
    [waiting] = await client.tasks(second)
    assert (waiting["input_path"], waiting["input_name"]) == (done["output_path"], "mask.png")
    [row] = await machines.rows("SELECT input_key, upload_id FROM tasks WHERE job_id = $1", second)
    assert (row["input_key"], row["upload_id"]) == (done["output_path"], None)


async def test_an_uploads_object_key_names_it_as_well(client: Client, machines: Machines) -> None:
    upload, job_id = await client.upload(), await client.job()
    key = f"spaces/{client.who.space_id}/{upload}/original"
    await client.enqueue(job_id, input_paths=[key, upload])
    rows = await machines.rows("SELECT input_key, upload_id::text FROM tasks WHERE job_id = $1 ORDER BY seq", job_id)
    assert [tuple(row) for row in rows] == [(key, upload), (key, upload)]


@pytest.mark.parametrize(
    "path", ["no such thing", "01900000-0000-7000-8000-000000000000", "spaces/x/y/original", "../../etc/passwd"]
)
async def test_one_bad_input_refuses_all(client: Client, path: str) -> None:
    good, job_id = await client.upload(), await client.job()
    answer = await client.http.post(f"/api/v1/jobs/{job_id}/enqueue", json={"input_paths": [good, path]})
    assert (answer.status_code, answer.json()["code"], answer.json()["inputs"]) == (422, "inputs_not_found", [path])
    assert (await client.read(job_id))["status"] == "draft"
    assert await client.tasks(job_id) == []


async def test_an_upload_that_is_not_complete_is_no_input_yet(client: Client) -> None:
    pending, job_id = await client.upload(complete=False), await client.job()
    answer = await client.http.post(f"/api/v1/jobs/{job_id}/enqueue", json={"input_paths": [pending]})
    assert (answer.status_code, answer.json()["code"], answer.json()["inputs"]) == (422, "inputs_not_ready", [pending])


async def test_inputs_come_from_the_jobs_own_space(shared: Shared) -> None:
    """Who reads a job reads its inputs: a file of another space would be shown to people who are not in that space."""
    job_id = await shared.editor.job(space_id=shared.id)
    for other in (await shared.editor.upload(), await shared.stranger.upload()):
        answer = await shared.editor.http.post(f"/api/v1/jobs/{job_id}/enqueue", json={"input_paths": [other]})
        assert (answer.status_code, answer.json()["code"]) == (422, "inputs_not_found")


async def test_a_filter_takes_the_stored_photos_it_describes(client: Client) -> None:
    cats = [await client.upload(f"cat {number}.png") for number in range(3)]
    dog = await client.upload("100%_dog.png")
    await client.upload("cat 9.png", complete=False)
    every, some, odd = await client.job(), await client.job(), await client.job()
    assert (await client.enqueue(every, filter={}))["created"] == 4
    assert [task["input_path"] for task in await client.tasks(every)] == [*cats, dog]
    assert (await client.enqueue(some, filter={"query": "CAT", "from": "2020-01-01T00:00:00Z"}))["created"] == 3
    assert (await client.enqueue(odd, filter={"query": "%_", "content_type": "image/png"}))["created"] == 1
    nothing = await client.http.post(f"/api/v1/jobs/{odd}/enqueue", json={"filter": {"to": "2020-01-01"}})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "no_input_matches")


async def test_tasks_without_inputs_have_parameters_of_their_own(client: Client, machines: Machines) -> None:
    job_id = await client.job(runner="diffusers", params={"model": "small", "prompt": "a cat"})
    await client.enqueue(job_id, count=3, item_params=[{"seed": 1}, None, {"seed": 3}])
    rows = await machines.rows("SELECT params::text FROM tasks WHERE job_id = $1 ORDER BY seq", job_id)
    assert [row["params"] for row in rows] == ['{"seed": 1}', None, '{"seed": 3}']


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"),
        ({"count": 1, "filter": {}}, "invalid"),
        ({"input_paths": []}, "invalid"),
        ({"count": 0}, "invalid"),
        ({"count": 2, "item_params": [{}]}, "invalid"),
        ({"filter": {}, "item_params": [{}]}, "invalid"),
        ({"count": 50_001}, "too_many_inputs"),
        ({"count": 1, "item_params": [{"scale": 9}]}, "params_invalid"),
        ({"count": 1, "item_params": [{"operation": "x" * 20_000}]}, "params_too_large"),
        ({"input_paths": ["\u0000"]}, "invalid"),
    ],
)
async def test_what_cannot_be_enqueued_says_why(client: Client, body: dict[str, Any], code: str) -> None:
    job_id = await client.job(runner="image")
    answer = await client.http.post(f"/api/v1/jobs/{job_id}/enqueue", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "fields",
    [
        {"runner": "image", "params": {"scale": "much"}},
        {"runner": "image", "params": {"unknown": 1}},
        {"runner": "diffusers"},
        {"runner": "command", "params": {"command": "../sh"}},
        {"runner": "../image"},
        {"runner": ""},
        {"kind": "poetry"},
        {"requires": {"colour": "red"}},
        {"max_attempts": 0},
        {"name": " "},
        {"params": {"data": "x" * 70_000}},
    ],
)
async def test_what_is_no_job_says_why(client: Client, fields: dict[str, Any]) -> None:
    answer = await client.http.post("/api/v1/jobs", json={"name": "x", "runner": "image", **fields})
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]


async def test_a_runner_that_is_not_known_here_is_its_workers_business(client: Client) -> None:
    job_id = await client.job(
        runner="my-own_runner2", params={"whatever": [1, {"deep": True}]}, requires={"gpu": "H200"}
    )
    assert (await client.read(job_id))["requires"]["gpu"] == "H200"


async def test_a_repeated_request_makes_one_job_and_enqueues_once(client: Client) -> None:
    headers, body = {"Idempotency-Key": "one"}, {"name": "x", "runner": "anything"}
    first, again = [await client.http.post("/api/v1/jobs", json=body, headers=headers) for _ in range(2)]
    assert first.json() == again.json()
    place, headers = f"/api/v1/jobs/{first.json()['id']}/enqueue", {"Idempotency-Key": "two"}
    answers = [await client.http.post(place, json={"count": 5}, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (await client.read(first.json()["id"]))["total"] == 5
    other = await client.http.post(place, json={"count": 6}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_enqueuing_promises_an_event_and_begins_a_stream(client: Client, machines: Machines) -> None:
    job_id = await client.running(2)
    [event] = await machines.rows("SELECT key, body::text AS body FROM outbox WHERE topic_or_queue = 'job.submitted'")
    assert event["key"] == job_id
    assert f'"space_id": "{client.who.space_id}"' in event["body"]
    assert '"tasks": 2' in event["body"]
    [stream] = await machines.rows("SELECT id::text, status FROM streams WHERE subject_id = $1", job_id)
    assert (stream["id"], stream["status"]) == ((await client.read(job_id))["stream_id"], "running")


async def test_ten_thousand_inputs_in_one_call(client: Client, machines: Machines) -> None:
    upload, job_id = await client.upload(), await client.job()
    assert (await client.enqueue(job_id, input_paths=[upload] * 10_000))["created"] == 10_000
    assert (await client.enqueue(job_id, count=7))["job"]["total"] == 10_007
    [row] = await machines.rows(
        "SELECT count(DISTINCT seq) AS places, min(seq) AS first, max(seq) AS last, count(DISTINCT turn) AS turns FROM tasks WHERE job_id = $1",
        job_id,
    )
    assert tuple(row) == (10_007, 0, 10_006, 10_007)


async def test_a_space_takes_no_more_than_it_may_have_unfinished(client: Client, machines: Machines) -> None:
    first, second = await client.running(1), await client.job()
    await machines.rows("UPDATE jobs SET total = 199_999 WHERE id = $1", first)
    answer = await client.http.post(f"/api/v1/jobs/{second}/enqueue", json={"count": 2})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_unfinished_tasks")
    assert int(answer.headers["retry-after"]) > 0
    assert (await client.enqueue(second, count=1))["created"] == 1


async def test_spaces_take_turns_and_priorities_hold_within_one(shared: Shared, machines: Machines) -> None:
    many = await shared.owner.running(50)
    few = await shared.stranger.running(3)
    urgent = await shared.owner.running(2, priority=5)
    rows = await machines.rows("SELECT job_id::text FROM tasks WHERE status = 'queued' ORDER BY turn, id LIMIT 8")
    order = [row["job_id"] for row in rows]
    assert order[:4].count(urgent) == 2
    assert order.count(few) == 3
    assert order.count(many) == 3


async def test_jobs_are_listed_the_newest_first_by_state_and_space(shared: Shared, machines: Machines) -> None:
    who = shared.editor
    draft, waiting, busy = await who.job(), await who.running(1), await who.running(1)
    ended, elsewhere = await who.running(1), await who.job(space_id=shared.id)
    await machines.claim(busy)
    [task] = await machines.claim(ended)
    await machines.fail(task)
    everything = [draft, waiting, busy, ended, elsewhere][::-1]
    seen, token = [], None
    while True:
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        answer = (await who.http.get("/api/v1/jobs", params=query)).json()
        seen += [job["id"] for job in answer["jobs"]]
        if (token := answer["next_page_token"]) is None:
            break
    assert seen == everything
    for query, expected in (
        ({"status": "draft"}, [elsewhere, draft]),
        ({"status": "queued"}, [waiting]),
        ({"status": "running"}, [busy]),
        ({"status": "failed"}, [ended]),
        ({"status": "done"}, []),
        ({"space_id": shared.id}, [elsewhere]),
    ):
        answer = (await who.http.get("/api/v1/jobs", params={"page_size": 1, **query})).json()
        assert [job["id"] for job in answer["jobs"]] == expected[:1], query
        assert bool(answer["next_page_token"]) is (len(expected) > 1)


async def test_tasks_are_paged_and_narrowed_by_state(client: Client, machines: Machines) -> None:
    job_id = await client.running(5)
    first, second, third = await machines.claim(job_id, 3)
    await machines.finish(first)
    await machines.fail(second)
    await machines.fail(third, retry=True)
    seen, token = [], None
    while True:
        query = {"page_size": 2} | ({"page_token": token} if token else {})
        answer = (await client.http.get(f"/api/v1/jobs/{job_id}/tasks", params=query)).json()
        seen += [(task["seq"], task["status"]) for task in answer["tasks"]]
        if (token := answer["next_page_token"]) is None:
            break
    assert seen == [(0, "done"), (1, "failed"), (2, "queued"), (3, "queued"), (4, "queued")]
    [failed] = await client.tasks(job_id, status="failed")
    assert failed["error"] == {"code": "broken", "detail": "The picture cannot be read.", "lines": ["Traceback"]}
    retried = (await client.tasks(job_id, status="queued"))[0]
    assert (retried["failures"], retried["retry_at"] is not None) == (1, True)
    other = await client.http.get(
        f"/api/v1/jobs/{await client.job()}/tasks", params={"page_token": answer["next_page_token"] or "x"}
    )
    assert other.status_code == 400
