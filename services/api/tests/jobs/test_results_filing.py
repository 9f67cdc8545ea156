"""Results become entries of their space: each once, whatever is repeated, interrupted or refused on the way."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from shared.testing.identity import callback_headers

from .conftest import PNG, Client, Machines, Shared

Task = asyncpg.Record


class Queues:
    """Plays the event bus and the queues, one message after the other."""

    def __init__(self, service: httpx.AsyncClient, machines: Machines) -> None:
        self._service = service
        self._machines = machines

    async def finished(self, task: Task, status: str = "done", *, file_results: bool = True, **message: Any) -> int:
        """Tell that a task has finished, as the dispatcher does."""
        fact = {
            "task_id": str(task["id"]),
            "job_id": str(task["job_id"]),
            "space_id": str(task["space_id"]),
            "status": status,
            "attempt": task["attempt"],
            "file_results": file_results,
        }
        return await self.push({"messageId": str(uuid4()), **message}, fact)

    async def push(self, message: dict[str, Any], fact: Any) -> int:
        """Deliver a fact."""
        data = base64.b64encode(json.dumps(fact).encode()).decode()
        answer = await self._service.post(
            "/internal/push/task.finished", json={"message": {"data": data, **message}}, headers=callback_headers()
        )
        return answer.status_code

    async def waiting(self) -> list[asyncpg.Record]:
        """What is promised."""
        return await self._machines.rows(
            """
            SELECT id, topic_or_queue AS queue, body::text FROM outbox
            WHERE topic_or_queue LIKE 'file-%' AND (not_before IS NULL OR not_before <= now()) ORDER BY seq
            """
        )

    async def call(self, promise: asyncpg.Record) -> int:
        """Keep a promise once."""
        headers = callback_headers() | {"content-type": "application/json"}
        answer = await self._service.post(
            f"/internal/tasks/{promise['queue']}", content=promise["body"], headers=headers
        )
        return answer.status_code

    async def drain(self) -> None:
        """Keep every promise, and those that come of them."""
        while waiting := await self.waiting():
            for promise in waiting:
                assert await self.call(promise) == 204
                await self._machines.rows("DELETE FROM outbox WHERE id = $1", promise["id"])


@pytest.fixture
def queues(nobody: httpx.AsyncClient, machines: Machines) -> Queues:
    return Queues(nobody, machines)


async def made(client: Client, machines: Machines, count: int = 1, name: str = "cat.png", **job: Any) -> list[Task]:
    """Tasks of one job, done, each with a picture."""
    job_id = await client.running(count, file_results=True, **job)
    tasks = await machines.claim(job_id, count)
    for task in tasks:
        assert await machines.finish(task, PNG, name) == "done"
    return tasks


async def filing(client: Client, task: Task) -> dict[str, Any]:
    answer = await client.http.get(f"/api/v1/jobs/{task['job_id']}/file-results")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def entries(client: Client) -> list[dict[str, Any]]:
    answer = await client.http.get("/api/v1/entries")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["entries"])


async def test_a_result_becomes_a_photo_of_the_space(client: Client, machines: Machines, queues: Queues) -> None:
    (task,) = await made(client, machines)
    assert (await filing(client, task))["waiting"] == 1
    assert await queues.finished(task) == 204
    await queues.drain()
    (entry,) = await entries(client)
    assert (entry["kind"], entry["title"], entry["space_id"]) == ("photo", "cat.png", client.who.space_id)
    (shown,) = await client.tasks(str(task["job_id"]))
    assert shown["entry_id"] == entry["id"]
    whole = (await client.http.get(f"/api/v1/entries/{entry['id']}")).json()
    upload = await client.http.get(f"/api/v1/uploads/{whole['attachments'][0]['upload_id']}")
    assert (upload.json()["status"], upload.json()["size"]) == ("ready", len(PNG))
    state = await filing(client, task)
    assert (state["done"], state["filed"], state["waiting"], state["skipped"]) == (1, 1, 0, 0)


async def test_the_entry_has_a_copy_of_its_own(client: Client, machines: Machines, queues: Queues) -> None:
    (task,) = await made(client, machines)
    await queues.finished(task)
    await queues.drain()
    await client.http.delete(f"/api/v1/jobs/{task['job_id']}")
    await machines.storage.delete_prefix(f"spaces/{task['space_id']}/jobs/{task['job_id']}/")
    (entry,) = await entries(client)
    whole = (await client.http.get(f"/api/v1/entries/{entry['id']}")).json()
    content = await client.http.get(
        f"/api/v1/uploads/{whole['attachments'][0]['upload_id']}/content", follow_redirects=True
    )
    assert content.content == PNG


@pytest.mark.parametrize("repeat", ["the fact", "the task", "both at once"])
async def test_what_is_delivered_again_makes_no_second_entry(
    client: Client, machines: Machines, queues: Queues, repeat: str
) -> None:
    (task,) = await made(client, machines)
    if repeat == "the fact":
        for _ in range(3):
            assert await queues.finished(task, messageId="m-1") == 204
        assert len(await queues.waiting()) == 1
    else:
        await queues.finished(task)
    (promise,) = await queues.waiting()
    if repeat == "both at once":
        statuses = await asyncio.gather(*(queues.call(promise) for _ in range(4)))
        assert set(statuses) == {204}
    for _ in range(3):
        assert await queues.call(promise) == 204
    assert len(await entries(client)) == 1


@pytest.mark.parametrize("lost", ["the last word", "the entry", "the file", "nothing but the row"])
async def test_a_crash_in_between_is_made_good_by_the_next_call(
    client: Client, machines: Machines, queues: Queues, lost: str
) -> None:
    """Undo what comes after the point of the crash, as if it had not been reached, and deliver again."""
    (task,) = await made(client, machines)
    await queues.finished(task)
    (promise,) = await queues.waiting()
    await queues.call(promise)
    undone = ["UPDATE tasks SET entry_id = NULL"]
    if lost != "the last word":
        undone += ["DELETE FROM entry_files", "DELETE FROM entries"]
    if lost in {"the file", "nothing but the row"}:
        undone += ["UPDATE uploads SET status = 'pending', completed_at = NULL, sha256 = NULL"]
    for statement in undone:
        await machines.rows(statement)
    if lost == "nothing but the row":
        (upload,) = await machines.rows("SELECT object_key FROM uploads")
        await machines.storage.delete([upload["object_key"]])
    assert await queues.call(promise) == 204
    (entry,) = await entries(client)
    (shown,) = await client.tasks(str(task["job_id"]))
    assert shown["entry_id"] == entry["id"]
    assert len(await machines.rows("SELECT id FROM uploads")) == 1


@pytest.mark.parametrize("fact", [{"status": "failed"}, {"file_results": False}])
async def test_nothing_is_filed_that_nobody_asked_for(
    client: Client, machines: Machines, queues: Queues, fact: dict[str, Any]
) -> None:
    (task,) = await made(client, machines)
    assert await queues.finished(task, **fact) == 204
    assert await queues.waiting() == []


async def test_a_deleted_job_or_entry_is_not_brought_back(client: Client, machines: Machines, queues: Queues) -> None:
    kept, gone = await made(client, machines, 2)
    for task in (kept, gone):
        await queues.finished(task)
    first, second = await queues.waiting()
    await queues.call(first)
    (entry,) = await entries(client)
    await client.http.delete(f"/api/v1/entries/{entry['id']}")
    await queues.call(first)
    assert await entries(client) == []
    await client.http.delete(f"/api/v1/jobs/{gone['job_id']}")
    assert await queues.call(second) == 204
    assert await entries(client) == []


async def test_a_kind_of_file_that_is_no_entry_is_skipped_with_the_reason(
    client: Client, machines: Machines, queues: Queues
) -> None:
    (task,) = await made(client, machines)
    await machines.rows("UPDATE tasks SET output_type = 'video/mp4', output_name = 'clip.mp4'")
    await queues.finished(task)
    await queues.drain()
    state = await filing(client, task)
    assert (state["filed"], state["skipped"], state["waiting"]) == (0, 1, 0)
    (reason,) = state["reasons"]
    assert (reason["task_id"], reason["code"]) == (str(task["id"]), "upload_type_unsupported")
    assert reason["detail"]


async def test_a_result_without_a_file_is_skipped(client: Client, machines: Machines, queues: Queues) -> None:
    (task,) = await made(client, machines)
    await machines.rows("UPDATE tasks SET output_key = NULL")
    await queues.finished(task)
    await queues.drain()
    assert [reason["code"] for reason in (await filing(client, task))["reasons"]] == ["result_missing"]


async def test_bytes_that_are_not_the_announced_kind_are_skipped_and_nothing_stays(
    client: Client, machines: Machines, queues: Queues
) -> None:
    (task,) = await made(client, machines)
    (row,) = await machines.rows("SELECT output_key FROM tasks")
    await machines.storage.put(row["output_key"], b"\x7fELF" + b"\0" * (len(PNG) - 4), "image/png")
    await queues.finished(task)
    await queues.drain()
    assert [reason["code"] for reason in (await filing(client, task))["reasons"]] == ["upload_type_mismatch"]
    assert await machines.rows("SELECT id FROM uploads") == []


@pytest.mark.parametrize("now", ["viewer", "gone"])
async def test_an_owner_who_may_no_longer_write_is_told_and_another_editor_files_instead(
    shared: Shared, machines: Machines, queues: Queues, now: str
) -> None:
    (task,) = await made(shared.editor, machines, space_id=shared.id)
    member = f"/api/v1/spaces/{shared.id}/members/{shared.editor.who.id}"
    if now == "viewer":
        assert (await shared.owner.http.patch(member, json={"role": "viewer"})).status_code == 200
    else:
        assert (await shared.owner.http.delete(member)).status_code == 204
    await queues.finished(task)
    await queues.drain()
    (reason,) = (await filing(shared.owner, task))["reasons"]
    assert reason["code"] == ("space_read_only" if now == "viewer" else "space_not_found")

    answer = await shared.owner.http.post(f"/api/v1/jobs/{task['job_id']}/file-results")
    assert answer.status_code == 202, answer.text
    await queues.drain()
    state = await filing(shared.owner, task)
    assert (state["filed"], state["skipped"], state["reasons"]) == (1, 0, [])
    (row,) = await machines.rows("SELECT author_id, space_id FROM entries")
    assert (str(row["author_id"]), str(row["space_id"])) == (shared.owner.who.id, shared.id)


async def test_a_job_is_filed_afterwards_and_what_comes_later_too(
    client: Client, machines: Machines, queues: Queues
) -> None:
    job_id = await client.running(3)
    first, second, third = await machines.claim(job_id, 3)
    for task in (first, second):
        await machines.finish(task, PNG)
    assert (await filing(client, first))["waiting"] == 0
    answer = await client.http.post(f"/api/v1/jobs/{job_id}/file-results")
    assert (answer.status_code, answer.json()["waiting"]) == (202, 2)
    await queues.drain()
    assert (await filing(client, first))["filed"] == 2
    assert (await client.read(job_id))["file_results"] is True
    await machines.finish(third, PNG)
    await queues.finished(third)
    await queues.drain()
    assert (await filing(client, first))["filed"] == 3
    await client.http.post(f"/api/v1/jobs/{job_id}/file-results")
    await queues.drain()
    assert len(await entries(client)) == 3


async def test_many_results_are_filed_page_by_page(client: Client, machines: Machines, queues: Queues) -> None:
    job_id = await client.running(1100)
    await machines.rows("UPDATE tasks SET status = 'done', finished_at = now() WHERE job_id = $1", UUID(job_id))
    await client.http.post(f"/api/v1/jobs/{job_id}/file-results")
    pages = 0
    while waiting := [one for one in await queues.waiting() if one["queue"] == "file-job-results"]:
        pages += 1
        await queues.call(waiting[0])
        await machines.rows("DELETE FROM outbox WHERE id = $1", waiting[0]["id"])
    promised = {json.loads(one["body"])["task_id"] for one in await queues.waiting()}
    assert (pages, len(promised)) == (3, 1100)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_who_may_not_file(shared: Shared, machines: Machines, method: str) -> None:
    (task,) = await made(shared.owner, machines, space_id=shared.id)
    path = f"/api/v1/jobs/{task['job_id']}/file-results"
    stranger = await shared.stranger.http.request(method, path)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "job_not_found")
    viewer = await shared.viewer.http.request(method, path)
    assert viewer.status_code == (200 if method == "GET" else 403)


@pytest.mark.parametrize("path", ["push/task.finished", "tasks/file-result", "tasks/file-job-results"])
async def test_only_our_own_queues_call(nobody: httpx.AsyncClient, client: Client, path: str) -> None:
    for headers in (
        {},
        callback_headers(email="somebody@else.example"),
        {"Authorization": client.http.headers["Authorization"]},
    ):
        answer = await nobody.post(f"/internal/{path}", json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "callback_forged")


async def test_a_fact_that_nobody_understands_is_set_aside(queues: Queues, machines: Machines) -> None:
    assert await queues.push({"messageId": "m-1"}, {"task_id": "none"}) == 204
    (row,) = await machines.rows("SELECT consumer, topic, reason FROM parked_messages")
    assert (row["consumer"], row["topic"]) == ("api", "task.finished")
    assert "task_id" in row["reason"]


async def test_a_store_that_is_away_is_tried_again_later(client: Client, machines: Machines, queues: Queues) -> None:
    (task,) = await made(client, machines)
    await queues.finished(task)
    (promise,) = await queues.waiting()
    await machines.rows("REVOKE INSERT ON uploads FROM authenticated")
    assert await queues.call(promise) >= 500
    assert (await filing(client, task))["waiting"] == 1
    await machines.rows("GRANT INSERT ON uploads TO authenticated")
    assert await queues.call(promise) == 204
    assert len(await entries(client)) == 1
