"""Erasing one's account over HTTP: who may, what stands in the way, and what is left of somebody who was here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import httpx
import pytest
from shared.testing.identity import PASSWORD, SignUp, Somebody, callback_headers


@pytest.fixture
async def owner(database_url: str) -> AsyncGenerator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "maru"})
    yield connection
    await connection.close()


async def erase(somebody: Somebody, password: str = PASSWORD) -> httpx.Response:
    return await somebody.http.request("DELETE", "/api/v1/me", json={"password": password})


async def share(host: Somebody, *guests: tuple[Somebody, str], name: str = "가족") -> str:
    space: str = (await host.http.post("/api/v1/spaces", json={"name": name})).json()["id"]
    for guest, role in guests:
        body = {"email": guest.email, "role": role}
        assert (await host.http.post(f"/api/v1/spaces/{space}/members", json=body)).status_code == 201
    return space


async def write(somebody: Somebody, space: str | None = None) -> str:
    answer = await somebody.http.post("/api/v1/entries", json={"kind": "note", "body": "내 이야기", "space_id": space})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def finish(nobody: httpx.AsyncClient, owner: asyncpg.Connection[Any]) -> list[int]:
    """Make the calls of the queue that were promised, also those that are due in days."""
    rows = await owner.fetch(
        "SELECT id, body::text AS body FROM outbox WHERE topic_or_queue = 'erase-account' ORDER BY not_before NULLS FIRST"
    )
    statuses = []
    for row in rows:
        headers = callback_headers() | {"Content-Type": "application/json"}
        answer = await nobody.post("/internal/tasks/erase-account", content=row["body"], headers=headers)
        statuses.append(answer.status_code)
        if answer.is_success:
            await owner.execute("DELETE FROM outbox WHERE id = $1", row["id"])
    return statuses


async def test_a_wrong_password_erases_nothing_and_guesses_are_counted(sign_up: SignUp) -> None:
    somebody = await sign_up()
    answers = [await erase(somebody, "not the password") for _ in range(14)]
    assert (answers[0].status_code, answers[0].json()["code"]) == (400, "invalid_credentials")
    assert answers[-1].status_code == 429
    assert (await somebody.http.get("/api/v1/me")).status_code == 200


@pytest.mark.parametrize(
    "body", [{}, {"password": ""}, {"password": None}, {"password": "x" * 2000}], ids=["none", "empty", "null", "long"]
)
async def test_without_a_password_it_is_refused(sign_up: SignUp, body: dict[str, Any]) -> None:
    somebody = await sign_up()
    assert (await somebody.http.request("DELETE", "/api/v1/me", json=body)).status_code == 422
    assert (await somebody.http.get("/api/v1/me")).status_code == 200


async def test_whoever_is_erased_is_signed_out_everywhere_and_may_begin_anew(
    sign_up: SignUp, nobody: httpx.AsyncClient
) -> None:
    somebody = await sign_up()
    credentials = {"email": somebody.email, "password": PASSWORD}
    ticket = (await nobody.post("/api/v1/ui/tickets", json=credentials)).json()["ticket"]
    session = (await nobody.post("/api/v1/ui/sessions", json={"ticket": ticket})).json()["session"]
    unused = (await nobody.post("/api/v1/ui/tickets", json=credentials)).json()["ticket"]
    assert (await erase(somebody)).status_code == 204
    assert (await somebody.http.get("/api/v1/me")).status_code == 401
    assert (await erase(somebody)).status_code == 401
    assert (await nobody.post("/api/v1/ui/sessions/token", json={"session": session})).status_code == 401
    assert (await nobody.post("/api/v1/ui/sessions", json={"ticket": unused})).status_code == 401
    refresh = {"refresh_token": somebody.refresh_token}
    assert (await nobody.post("/auth/v1/token?grant_type=refresh_token", json=refresh)).status_code == 400
    assert (await nobody.post("/auth/v1/token?grant_type=password", json=credentials)).status_code == 400
    anew = await nobody.post("/auth/v1/signup", json=credentials)
    assert anew.status_code == 200, anew.text
    assert anew.json()["user"]["id"] != somebody.id


async def test_the_last_owner_of_a_space_with_others_hands_it_over_first(sign_up: SignUp) -> None:
    host, guest = await sign_up("host"), await sign_up("guest")
    space = await share(host, (guest, "editor"))
    refused = await erase(host)
    assert (refused.status_code, refused.json()["code"]) == (409, "spaces_need_an_owner")
    assert refused.json()["spaces"] == [{"id": space, "name": "가족"}]
    assert (await host.http.get("/api/v1/me")).status_code == 200
    promoted = await host.http.patch(f"/api/v1/spaces/{space}/members/{guest.id}", json={"role": "owner"})
    assert promoted.status_code == 200, promoted.text
    assert (await erase(host)).status_code == 204
    members = (await guest.http.get(f"/api/v1/spaces/{space}/members")).json()["members"]
    assert [member["user_id"] for member in members] == [guest.id]


async def test_what_was_put_into_spaces_of_others_stays_without_the_name(
    sign_up: SignUp, owner: asyncpg.Connection[Any]
) -> None:
    host, guest = await sign_up("host"), await sign_up("guest")
    space = await share(host, (guest, "owner"))
    entry = await write(host, space)
    await owner.execute("DELETE FROM outbox")
    assert (await erase(host)).status_code == 204
    seen = await guest.http.get(f"/api/v1/entries/{entry}")
    assert seen.status_code == 200
    assert seen.json()["author_id"] == "00000000-0000-0000-0000-000000000000"
    assert host.id not in seen.text
    promised = await owner.fetch("SELECT topic_or_queue, body::text AS body FROM outbox ORDER BY seq")
    assert [row["topic_or_queue"] for row in promised if entry in row["body"]] == ["entry.changed"], (
        "search names the author too"
    )
    assert await owner.fetchval("SELECT owner_id::text FROM spaces WHERE id::text = $1", space) == guest.id


async def test_two_calls_at_once_erase_once(sign_up: SignUp, owner: asyncpg.Connection[Any]) -> None:
    somebody = await sign_up()
    answers = await asyncio.gather(*(erase(somebody) for _ in range(4)))
    assert {answer.status_code for answer in answers} <= {204, 400, 401}
    assert 204 in {answer.status_code for answer in answers}
    gone = await owner.fetch("SELECT body FROM outbox WHERE topic_or_queue = 'space.deleted'")
    assert len(gone) == 1
    assert await owner.fetchval("SELECT count(*) FROM outbox WHERE topic_or_queue = 'erase-account'") == 2


async def test_writing_while_one_is_erased_brings_nothing_back(sign_up: SignUp, owner: asyncpg.Connection[Any]) -> None:
    somebody = await sign_up()

    async def busy(number: int) -> None:
        for path, body in (
            ("/api/v1/entries", {"kind": "note", "body": f"{number}"}),
            ("/api/v1/spaces", {"name": f"{number}"}),
            ("/api/v1/conversations", {"title": f"{number}"}),
            ("/api/v1/people", {"name": f"{number}"}),
        ):
            answer = await somebody.http.post(path, json=body, headers={"Idempotency-Key": f"{number}{path}"})
            assert answer.status_code in {201, 401, 403, 404, 409}, answer.text

    erasing = asyncio.create_task(erase(somebody))
    await asyncio.gather(*(busy(number) for number in range(12)), erasing)
    assert erasing.result().status_code == 204
    for table in ("spaces", "space_members", "entries", "conversations", "people", "profiles", "idempotency_keys"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_the_queue_finishes_what_was_begun_and_nobody_elses(
    sign_up: SignUp, nobody: httpx.AsyncClient, owner: asyncpg.Connection[Any]
) -> None:
    somebody, other = await sign_up(), await sign_up("other")
    for last in (False, True):
        body = {"user_id": other.id, "last": last}
        answer = await nobody.post("/internal/tasks/erase-account", json=body, headers=callback_headers())
        assert answer.status_code == 204
    assert (await other.http.get("/api/v1/me")).status_code == 200, (
        "a call about somebody who never asked erases nobody"
    )
    assert (await nobody.post("/internal/tasks/erase-account", json={"user_id": other.id})).status_code == 401
    assert (await erase(somebody)).status_code == 204
    assert await finish(nobody, owner) == [204, 204]
    assert await owner.fetchval("SELECT count(*) FROM erased_accounts") == 0
    assert await finish(nobody, owner) == []


async def test_the_owner_of_nothing_but_their_own_takes_nothing_of_others_along(
    sign_up: SignUp, owner: asyncpg.Connection[Any]
) -> None:
    somebody, other = await sign_up(), await sign_up("other")
    await write(somebody)
    mine, theirs = await share(somebody, name="alone"), await share(other, (somebody, "viewer"))
    entry = await write(other, theirs)
    before = await owner.fetch("SELECT * FROM entries WHERE space_id::text = $1", theirs)
    assert (await erase(somebody)).status_code == 204
    assert await owner.fetch("SELECT * FROM entries WHERE space_id::text = $1", theirs) == before
    assert (await other.http.get(f"/api/v1/entries/{entry}")).status_code == 200
    gone = {row["key"] for row in await owner.fetch("SELECT key FROM outbox WHERE topic_or_queue = 'space.deleted'")}
    assert gone == {mine, somebody.space_id}


async def test_messages_that_were_given_up_do_not_keep_the_name_either(
    sign_up: SignUp, owner: asyncpg.Connection[Any]
) -> None:
    somebody, other = await sign_up(), await sign_up()
    for number, (destination, person) in enumerate(
        [("ingest.entry.saved", somebody), ("erase-account", somebody), ("ingest.entry.saved", other)]
    ):
        await owner.execute(
            "INSERT INTO dead_letters (message_id, kind, destination, body, attempts, cause) VALUES ($1, 'task', $2, $3, 1, 'given up')",
            str(number),
            destination,
            f'{{"author_id": "{person.id}"}}',
        )
    assert (await erase(somebody)).status_code == 204
    left = await owner.fetch("SELECT message_id FROM dead_letters ORDER BY message_id")
    # The command that ends the erasure itself must stay repeatable.
    assert [row["message_id"] for row in left] == ["1", "2"]
