"""What was given up: three kinds in one list, another try, and nothing of what anybody wrote."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import httpx
import pytest
from shared.ids import new_id
from shared.testing.identity import SignUp, Somebody

LETTERS = "/api/v1/admin/dead-letters"
SECRET = "아무도 모르는 이름"

Owner: TypeAlias = "asyncpg.Connection[Any]"


@pytest.fixture
async def owner(database_url: str) -> AsyncGenerator[Owner]:
    """The database as its owner: for what only a dispatcher or a deliverer writes."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "maru"})
    yield connection
    await connection.close()


async def failed_tasks(person: Somebody, owner: Owner, count: int) -> list[UUID]:
    """Tasks of a job of this person that failed, one a minute, the latest first."""
    made = await person.http.post("/api/v1/jobs", json={"name": SECRET, "runner": "anything"})
    job_id = made.json()["id"]
    await person.http.post(f"/api/v1/jobs/{job_id}/enqueue", json={"count": count})
    rows = await owner.fetch(
        """
        UPDATE tasks SET status = 'failed', attempt = 3, failures = 3, error = jsonb_build_object('code', 'runner_crashed', 'detail', $2::text),
          finished_at = now() - make_interval(mins => seq) WHERE job_id = $1 RETURNING id, seq
        """,
        UUID(job_id),
        SECRET,
    )
    await owner.execute(
        "UPDATE jobs SET failed = total, status = 'failed', finished_at = now() WHERE id = $1", UUID(job_id)
    )
    return [row["id"] for row in sorted(rows, key=lambda row: int(row["seq"]))]


async def dead_message(owner: Owner, subscription: str, minutes: int = 0) -> int:
    number: int = await owner.fetchval(
        """
        INSERT INTO local.deliveries (message_id, subscription, kind, seq, body, published_at, attempts, dead_at, last_error)
        VALUES ($1, $2, 'event', 1, jsonb_build_object('text', $4::text), now(), 30, now() - make_interval(mins => $3), '503: away') RETURNING id
        """,
        new_id(),
        subscription,
        minutes,
        SECRET,
    )
    return number


async def parked(owner: Owner, minutes: int = 0) -> UUID:
    message = new_id()
    await owner.execute(
        """
        INSERT INTO parked_messages (id, consumer, topic, reason, body, parked_at)
        VALUES ($1, 'ingest', 'entry.saved', 'entry_id: missing', $2, now() - make_interval(mins => $3))
        """,
        message,
        SECRET,
        minutes,
    )
    return message


async def letters(admin: Somebody, **query: Any) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await admin.http.get(LETTERS, params=query)
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.text
        found += answer.json()["dead_letters"]
        if (token := answer.json()["next_page_token"]) is None:
            return found
        query["page_token"] = token


async def test_all_kinds_stand_in_one_list_the_latest_first(admin: Somebody, sign_up: SignUp, owner: Owner) -> None:
    person = await sign_up()
    first, second = await failed_tasks(person, owner, 2)
    delivery, queued = await dead_message(owner, "ingest.entry.saved", 5), await dead_message(owner, "forget-job", 6)
    message = await parked(owner, 10)
    found = await letters(admin)
    assert [one["id"] for one in found] == [
        f"task-{first}", f"task-{second}", f"message-{delivery}", f"message-{queued}", f"parked-{message}",
    ]  # fmt: skip
    told = {
        name: found[0][name] for name in ("kind", "name", "destination", "attempts", "error", "space_id", "can_retry")
    }
    assert told == {"kind": "task", "name": "anything", "destination": "worker", "attempts": 3, "error": "runner_crashed",
                    "space_id": person.space_id, "can_retry": True}  # fmt: skip
    assert [(one["name"], one["destination"], one["attempts"]) for one in found[2:4]] == [
        ("entry.saved", "ingest", 30),
        ("forget-job", "queue", 30),
    ]
    assert (found[4]["error"], found[4]["can_retry"]) == ("entry_id: missing", False)
    assert [one["kind"] for one in await letters(admin, kind="message")] == ["message", "message"]


async def test_pages_neither_lose_nor_repeat_what_happened_at_one_moment(
    admin: Somebody, sign_up: SignUp, owner: Owner
) -> None:
    await failed_tasks(await sign_up(), owner, 7)
    for minutes in range(5):
        await dead_message(owner, "ingest.entry.saved", minutes)
        await parked(owner, minutes)
    for table, column in (("tasks", "finished_at"), ("local.deliveries", "dead_at"), ("parked_messages", "parked_at")):
        await owner.execute(f"UPDATE {table} SET {column} = date_trunc('hour', now())")
    whole = [one["id"] for one in await letters(admin)]
    assert len(set(whole)) == 17
    for size in (1, 3, 16, 17):
        assert [one["id"] for one in await letters(admin, page_size=size)] == whole


async def test_a_failed_task_is_tried_again(admin: Somebody, sign_up: SignUp, owner: Owner) -> None:
    person = await sign_up()
    (task,) = await failed_tasks(person, owner, 1)
    assert (await admin.http.post(f"{LETTERS}/task-{task}/retry")).status_code == 204
    shown = (await person.http.get(f"/api/v1/tasks/{task}")).json()
    assert (shown["status"], shown["failures"], shown["attempt"]) == ("queued", 0, 3)
    assert await letters(admin) == []
    again = await admin.http.post(f"{LETTERS}/task-{task}/retry")
    assert (again.status_code, again.json()["code"]) == (404, "dead_letter_not_found")


async def test_a_dead_message_is_delivered_again(admin: Somebody, owner: Owner) -> None:
    number = await dead_message(owner, "ingest.entry.saved")
    assert (await admin.http.post(f"{LETTERS}/message-{number}/retry")).status_code == 204
    row = await owner.fetchrow(
        "SELECT dead_at, attempts, run_at <= now() AS due FROM local.deliveries WHERE id = $1", number
    )
    assert row is not None
    assert (row["dead_at"], row["attempts"], row["due"]) == (None, 0, True)
    assert (await admin.http.post(f"{LETTERS}/message-{number}/retry")).status_code == 404


async def test_what_nobody_understands_is_not_tried_again(admin: Somebody, owner: Owner) -> None:
    answer = await admin.http.post(f"{LETTERS}/parked-{await parked(owner)}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "dead_letter_hopeless")


@pytest.mark.parametrize(
    "wrong", ["task-1", f"task-{'-' * 36}", "message-0", "message-x", "other-1", "task-" + "f" * 36]
)
async def test_an_id_that_is_none_is_refused(admin: Somebody, wrong: str) -> None:
    assert (await admin.http.post(f"{LETTERS}/{wrong}/retry")).status_code in {404, 422}
    assert (await admin.http.get(LETTERS, params={"page_token": "bm8"})).json()["code"] == "page_token_invalid"


async def test_nobody_else_gets_in_and_nothing_changes(
    nobody: httpx.AsyncClient, sign_up: SignUp, owner: Owner
) -> None:
    person = await sign_up()
    (task,) = await failed_tasks(person, owner, 1)
    number = await dead_message(owner, "ingest.entry.saved")
    for path in ("", f"/task-{task}/retry", f"/message-{number}/retry"):
        method = "POST" if path else "GET"
        refused = await person.http.request(method, LETTERS + path)
        assert (refused.status_code, refused.json()["code"]) == (403, "admin_only")
        assert (await nobody.request(method, LETTERS + path)).status_code == 401
    assert await owner.fetchval("SELECT count(*) FROM local.deliveries WHERE dead_at IS NOT NULL") == 1
    assert await owner.fetchval("SELECT status FROM tasks WHERE id = $1", task) == "failed"
