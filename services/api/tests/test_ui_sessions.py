"""Browser sessions of the web app: tickets, handles, short tokens, sign-out."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from shared.testing.identity import PASSWORD, SignUp, Somebody

SESSIONS = "/api/v1/ui/sessions"


async def execute(database_url: str, statement: str) -> list[Any]:
    database = await asyncpg.connect(database_url)
    try:
        return await database.fetch(statement)
    finally:
        await database.close()


async def ticket_for(http: httpx.AsyncClient, somebody: Somebody, agent: str = "Firefox") -> str:
    body = {"email": somebody.email, "password": PASSWORD}
    answer = await http.post("/api/v1/ui/tickets", json=body, headers={"User-Agent": agent})
    assert answer.status_code == 201, answer.text
    assert answer.json()["expires_in"] == 30
    ticket: str = answer.json()["ticket"]
    return ticket


async def session_for(http: httpx.AsyncClient, somebody: Somebody, agent: str = "Firefox") -> str:
    answer = await http.post(SESSIONS, json={"ticket": await ticket_for(http, somebody, agent)})
    assert answer.status_code == 201, answer.text
    assert answer.json()["max_age"] == 30 * 24 * 3600
    handle: str = answer.json()["session"]
    return handle


async def token_of(http: httpx.AsyncClient, session: str) -> httpx.Response:
    return await http.post(f"{SESSIONS}/token", json={"session": session})


async def test_the_sign_up_form_makes_an_account_in_its_language(nobody: httpx.AsyncClient) -> None:
    body = {"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True, "name": " 지우 ", "locale": "ko"}
    ticket = await nobody.post("/api/v1/ui/tickets", json=body)
    assert ticket.status_code == 201, ticket.text
    session = (await nobody.post(SESSIONS, json={"ticket": ticket.json()["ticket"]})).json()["session"]
    token = (await token_of(nobody, session)).json()
    assert token["user"]["email"] == "jiwoo@example.com"
    me = await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert (me.json()["user"]["display_name"], me.json()["user"]["locale"]) == ("지우", "ko")


async def test_everybody_who_asks_at_once_gets_the_same_token(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    somebody = await sign_up()
    session = await session_for(nobody, somebody)
    answers = await asyncio.gather(*(token_of(nobody, session) for _ in range(12)))
    (token,) = {answer.json()["access_token"] for answer in answers}
    assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).json()["user"][
        "id"
    ] == somebody.id


async def test_an_old_token_is_exchanged_once_however_many_ask(
    nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    session = await session_for(nobody, await sign_up())
    before = (await token_of(nobody, session)).json()["access_token"]
    exchanged = "SELECT count(*) AS n FROM idp.refresh_tokens WHERE used_at IS NOT NULL"
    for times in range(1, 4):
        await execute(database_url, "UPDATE maru.ui_sessions SET access_expires_at = now()")
        answers = await asyncio.gather(*(token_of(nobody, session) for _ in range(12)))
        (token,) = {answer.json()["access_token"] for answer in answers}
        assert token != before
        before = token
        assert (await execute(database_url, exchanged))[0]["n"] == times


async def test_a_ticket_opens_one_session_and_only_soon(
    nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    somebody = await sign_up()
    ticket = await ticket_for(nobody, somebody)
    answers = await asyncio.gather(*(nobody.post(SESSIONS, json={"ticket": ticket}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401, 401, 401]
    late = await ticket_for(nobody, somebody)
    await execute(database_url, "UPDATE maru.ui_tickets SET expires_at = now()")
    answer = await nobody.post(SESSIONS, json={"ticket": late})
    assert (answer.status_code, answer.json()["code"]) == (401, "ticket_invalid")


async def test_signing_out_ends_this_browser_alone(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    somebody = await sign_up()
    this, other = await session_for(nobody, somebody), await session_for(nobody, somebody)
    held = (await token_of(nobody, this)).json()["access_token"]
    for _ in range(2):
        assert (await nobody.request("DELETE", SESSIONS, json={"session": this})).status_code == 204
    answer = await token_of(nobody, this)
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {held}"})).status_code == 401
    assert (await token_of(nobody, other)).status_code == 200


@pytest.mark.parametrize("path", [f"{SESSIONS}/revoke-all", "/auth/v1/logout?scope=global"])
async def test_signing_out_everywhere_works_at_once(nobody: httpx.AsyncClient, sign_up: SignUp, path: str) -> None:
    somebody, stranger = await sign_up(), await sign_up("stranger")
    sessions = [await session_for(nobody, somebody) for _ in range(3)]
    strangers = await session_for(nobody, stranger)
    pending = await ticket_for(nobody, somebody)
    tokens = [(await token_of(nobody, session)).json()["access_token"] for session in sessions]
    assert (await somebody.http.post(path)).status_code == 204
    for session, token in zip(sessions, tokens, strict=True):
        assert (await token_of(nobody, session)).status_code == 401
        assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    reopened = await nobody.post(SESSIONS, json={"ticket": pending})
    assert reopened.status_code == 401 or (await token_of(nobody, reopened.json()["session"])).status_code == 401
    assert (await token_of(nobody, strangers)).status_code == 200
    assert (await somebody.http.get("/api/v1/me")).status_code == 401


async def test_one_sees_and_ends_ones_own_browsers_only(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    somebody, stranger = await sign_up(), await sign_up("stranger")
    first, second = await session_for(nobody, somebody, "Firefox"), await session_for(nobody, somebody, "Safari" * 100)
    token = (await token_of(nobody, first)).json()["access_token"]
    listed = (await nobody.get(SESSIONS, headers={"Authorization": f"Bearer {token}"})).json()["sessions"]
    assert {(row["user_agent"][:6], row["current"]) for row in listed} == {("Firefo", True), ("Safari", False)}
    assert (await stranger.http.get(SESSIONS)).json()["sessions"] == []
    safari = next(row["id"] for row in listed if not row["current"])
    assert (await stranger.http.delete(f"{SESSIONS}/{safari}")).status_code == 404
    assert (await token_of(nobody, second)).status_code == 200
    assert (await somebody.http.delete(f"{SESSIONS}/{safari}")).status_code == 204
    assert (await token_of(nobody, second)).status_code == 401
    assert (await token_of(nobody, first)).status_code == 200


async def test_nothing_in_the_database_opens_a_session(
    nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    somebody = await sign_up()
    ticket, session = await ticket_for(nobody, somebody), await session_for(nobody, somebody)
    token = (await token_of(nobody, session)).json()["access_token"]
    for table in ("maru.ui_tickets", "maru.ui_sessions"):
        for row in await execute(
            database_url, f"SELECT t::text AS row, convert_from(sealed_tokens, 'UTF8') AS sealed FROM {table} t"
        ):
            for secret in (ticket, session, token, somebody.email, "refresh_token"):
                assert secret not in row["row"]
                assert secret not in row["sealed"]


async def test_a_seal_of_another_key_ends_the_session_instead_of_failing(
    nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    session = await session_for(nobody, await sign_up())
    await execute(database_url, "UPDATE maru.ui_sessions SET sealed_tokens = 'tampered'")
    assert (await token_of(nobody, session)).status_code == 401
    assert await execute(database_url, "SELECT 1 FROM maru.ui_sessions") == []


async def test_a_session_whose_refresh_token_was_stolen_and_used_ends(
    gateway: FastAPI, nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    session = await session_for(nobody, await sign_up())
    token = (await token_of(nobody, session)).json()["access_token"]
    await execute(database_url, "UPDATE idp.refresh_tokens SET used_at = now() - interval '1 minute'")
    await execute(database_url, "UPDATE maru.ui_sessions SET access_expires_at = now()")
    assert (await token_of(nobody, session)).status_code == 401
    assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_the_sweep_forgets_what_has_expired(
    gateway: FastAPI, nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    from api.ui_sessions.service import UiSessionService

    somebody = await sign_up()
    kept = await session_for(nobody, somebody)
    await execute(database_url, "UPDATE maru.ui_sessions SET user_agent = 'kept'")
    await session_for(nobody, somebody)
    await ticket_for(nobody, somebody)
    await execute(database_url, "UPDATE maru.ui_tickets SET expires_at = now() - interval '1 second'")
    await execute(
        database_url, "UPDATE maru.ui_sessions SET expires_at = now() - interval '1 second' WHERE user_agent <> 'kept'"
    )
    await gateway.state.services.get(UiSessionService).sweep()
    assert await execute(database_url, "SELECT 1 FROM maru.ui_tickets") == []
    assert len(await execute(database_url, "SELECT 1 FROM maru.ui_sessions")) == 1
    assert (await token_of(nobody, kept)).status_code == 200


@pytest.mark.parametrize("secret", ["", "short", "x" * 43, "a b" * 15, "지우" * 10, "x" * 500, "\x00" * 43])
async def test_a_made_up_handle_or_ticket_opens_nothing(nobody: httpx.AsyncClient, secret: str) -> None:
    for answer in (
        await nobody.post(SESSIONS, json={"ticket": secret}),
        await token_of(nobody, secret),
    ):
        assert answer.status_code in {401, 422}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "a@example.com"}, {"email": "x", "password": PASSWORD}, {"email": "a@example.com", "password": PASSWORD, "locale": "fr"},
     {"email": "a@example.com", "password": PASSWORD, "sign_up": True, "name": "a\x00"},
     {"email": "a@example.com", "password": PASSWORD, "sign_up": True, "name": "\n"}],
)  # fmt: skip
async def test_an_unfit_form_is_refused_and_leaves_nothing(
    nobody: httpx.AsyncClient, database_url: str, body: Any
) -> None:
    answer = await nobody.post("/api/v1/ui/tickets", json=body)
    assert answer.status_code in {400, 422}
    assert await execute(database_url, "SELECT 1 FROM idp.users") == []
