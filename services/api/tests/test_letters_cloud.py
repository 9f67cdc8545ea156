"""What was given up in the cloud stands in the administrators' list too, and another try is promised through the outbox."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest
from shared.testing.identity import SignUp, Somebody, callback_headers

LETTERS = "/api/v1/admin/dead-letters"
PUSH = "/internal/push/dead-letters"
SECRET = "아무도 모르는 이름"

Owner: TypeAlias = "asyncpg.Connection[Any]"


@pytest.fixture
async def owner(database_url: str) -> AsyncGenerator[Owner]:
    """The database as its owner: for what only a service writes."""

    async def teach(connection: Owner) -> None:
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)

    connection = await asyncpg.connect(database_url, server_settings={"search_path": "maru"})
    await teach(connection)
    yield connection
    await connection.close()


async def keep(owner: Owner, kind: str, destination: str, minutes: int = 0) -> str:
    """A letter; its id in the list."""
    number = await owner.fetchval(
        """
        INSERT INTO dead_letters (message_id, kind, destination, key, body, attempts, cause, died_at)
        VALUES ($1, $2, $3, 'k', jsonb_build_object('text', $4::text), 10, '503: away', now() - make_interval(mins => $5)) RETURNING id
        """,
        f"id-{kind}-{minutes}",
        kind,
        destination,
        SECRET,
        minutes,
    )
    return f"message-{number}"


async def listed(admin: Somebody, **query: Any) -> list[dict[str, Any]]:
    answer = await admin.http.get(LETTERS, params=query)
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    found: list[dict[str, Any]] = answer.json()["dead_letters"]
    return found


def dead(delivery_id: str, **attributes: str) -> dict[str, Any]:
    """What Pub/Sub sends for a fact that a subscription gave up."""
    data = base64.b64encode(json.dumps({"entry_id": "e"}).encode()).decode()
    return {"message": {"data": data, "messageId": delivery_id, "attributes": attributes}, "subscription": "s"}


SOURCE = {
    "event_id": "0198",
    "key": "k",
    "CloudPubSubDeadLetterSourceSubscription": "ingest.entry.saved",
    "CloudPubSubDeadLetterSourceDeliveryCount": "30",
}


async def test_all_kinds_are_listed_with_those_of_one_machine_between_them(admin: Somebody, owner: Owner) -> None:
    push = await keep(owner, "push", "ingest.entry.saved", 1)
    local = await owner.fetchval(
        """
        INSERT INTO local.deliveries (message_id, subscription, kind, seq, body, published_at, attempts, dead_at, last_error)
        VALUES (gen_random_uuid(), 'forget-job', 'task', 1, '{}', now(), 30, now() - interval '2 min', '500') RETURNING id
        """
    )
    task, publish = await keep(owner, "task", "index-entry", 3), await keep(owner, "publish", "entry.saved", 4)
    found = await listed(admin)
    assert [one["id"] for one in found] == [push, f"message-{local}", task, publish]
    assert [(one["name"], one["destination"]) for one in found] == [
        ("entry.saved", "ingest"), ("forget-job", "queue"), ("index-entry", "queue"), ("entry.saved", "outbox"),
    ]  # fmt: skip
    assert {(one["kind"], one["can_retry"], one["attempts"]) for one in found[2:]} == {("message", True, 10)}
    first = await admin.http.get(LETTERS, params={"page_size": 3})
    rest = await listed(admin, page_size=3, page_token=first.json()["next_page_token"])
    assert [one["id"] for one in first.json()["dead_letters"] + rest] == [one["id"] for one in found]


@pytest.mark.parametrize(
    ("kind", "destination", "expected"),
    [
        ("publish", "entry.saved", ("event", "entry.saved", "k", {"text": SECRET})),
        ("task", "index-entry", ("task", "index-entry", None, {"text": SECRET})),
        (
            "push",
            "ingest.entry.saved",
            ("task", "redeliver", None,
             {"subscription": "ingest.entry.saved", "event_id": "id-push-0", "key": "k", "data": {"text": SECRET}}),
        ),
    ],
    ids=["publish", "task", "push"],
)  # fmt: skip
async def test_another_try_is_a_promise_and_is_made_once(
    admin: Somebody, owner: Owner, kind: str, destination: str, expected: tuple[Any, ...]
) -> None:
    letter = await keep(owner, kind, destination)
    assert (await admin.http.post(f"{LETTERS}/{letter}/retry")).status_code == 204
    rows = await owner.fetch(
        "SELECT kind, topic_or_queue, key, body FROM outbox WHERE topic_or_queue = $1", expected[1]
    )
    assert [tuple(row) for row in rows] == [expected]
    assert await listed(admin) == []
    again = await admin.http.post(f"{LETTERS}/{letter}/retry")
    assert (again.status_code, again.json()["code"]) == (404, "dead_letter_not_found")
    assert await owner.fetchval("SELECT count(*) FROM outbox WHERE topic_or_queue = $1", expected[1]) == 1


async def test_what_pub_sub_gave_up_is_kept_once(nobody: httpx.AsyncClient, admin: Somebody) -> None:
    for delivery_id in ("1", "1", "2"):
        answer = await nobody.post(PUSH, json=dead(delivery_id, **SOURCE), headers=callback_headers())
        assert answer.status_code == 204
    (letter,) = await listed(admin)
    assert (letter["name"], letter["destination"], letter["attempts"]) == ("entry.saved", "ingest", 30)
    assert letter["error"] == "no acknowledgement in 30 attempts"


async def test_only_our_own_callback_can_make_a_dead_letter(
    nobody: httpx.AsyncClient, sign_up: SignUp, admin: Somebody, owner: Owner
) -> None:
    person = await sign_up()
    letter = await keep(owner, "task", "index-entry")
    for client in (nobody, person.http, admin.http):
        assert (await client.post(PUSH, json=dead("1", **SOURCE))).status_code == 401
    assert (await person.http.post(f"{LETTERS}/{letter}/retry")).status_code == 403
    assert await owner.fetchval("SELECT count(*) FROM dead_letters") == 1


@pytest.mark.parametrize("role", ["maru_api", "maru_ingest", "maru_inference", "authenticated", "space_worker"])
async def test_services_put_letters_there_and_cannot_read_them(owner: Owner, role: str) -> None:
    await keep(owner, "task", "index-entry")
    await owner.execute(f"SET ROLE {role}")
    for statement in ("SELECT * FROM dead_letters", "DELETE FROM dead_letters", "SELECT publish_dead_letters(NULL)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(statement)
    if role.startswith("maru_"):
        await owner.execute("SELECT keep_dead_letter('id', 'task', 'index-entry', NULL, '{}', 1, 'why')")
