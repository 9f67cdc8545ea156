"""One behaviour for both identity providers: the built-in one, and Supabase Auth as the gateway and its clients use it.

What clients of Supabase call lies under `/auth/v1`: with the built-in provider on the gateway, with Supabase there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from shared.testing.identity import PASSWORD, callback_headers
from shared.testing.supabase_peer import ANON_KEY, SERVICE_KEY, SupabasePeer, run_supabase_peer


@pytest.fixture(params=["built-in", "supabase"])
def peer(request: pytest.FixtureRequest) -> Generator[SupabasePeer | None]:
    if request.param == "built-in":
        yield None
        return
    with run_supabase_peer() as running:
        yield running


@pytest.fixture
def gateway_environment(gateway_environment: dict[str, str], peer: SupabasePeer | None) -> dict[str, str]:
    if peer is None:
        return gateway_environment
    supabase = {"SUPABASE_URL": peer.url, "SUPABASE_ANON_KEY": ANON_KEY, "SUPABASE_SERVICE_KEY": SERVICE_KEY}
    return {name: value for name, value in gateway_environment.items() if name != "MARU_AUTH_SIGNING_KEY"} | supabase


class People:
    """Signs people up and in where clients do."""

    def __init__(self, auth: httpx.AsyncClient, api: httpx.AsyncClient) -> None:
        self.auth = auth
        self.api = api

    async def sign_up(self, email: str | None = None) -> dict[str, Any]:
        """A session as clients get it."""
        body = {"email": email or f"{uuid4().hex[:10]}@example.com", "password": PASSWORD, "data": {"name": "지우"}}
        answer = await self.auth.post("/auth/v1/signup", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def sign_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        """With a password."""
        body = {"email": email, "password": password}
        return await self.auth.post("/auth/v1/token?grant_type=password", json=body)

    async def refresh(self, token: str) -> httpx.Response:
        """Exchange a refresh token."""
        return await self.auth.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": token})

    async def me(self, access_token: str) -> httpx.Response:
        """What the gateway says to a token."""
        return await self.api.get("/api/v1/me", headers=bearer(access_token))


@pytest.fixture
async def people(nobody: httpx.AsyncClient, peer: SupabasePeer | None) -> AsyncGenerator[People]:
    if peer is None:
        yield People(nobody, nobody)
        return
    async with httpx.AsyncClient(base_url=peer.url, headers={"apikey": ANON_KEY}, trust_env=False) as auth:
        yield People(auth, nobody)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_signing_up_makes_somebody_with_a_space_of_their_own(people: People) -> None:
    session = await people.sign_up()
    me = (await people.me(session["access_token"])).json()
    assert (me["user"]["id"], me["user"]["email"]) == (session["user"]["id"], session["user"]["email"])
    assert me["user"]["display_name"] == "지우"
    assert [space["kind"] for space in me["spaces"]] == ["personal"]
    assert session["token_type"] == "bearer"
    assert session["expires_at"] > 0


async def test_an_address_is_taken_once(people: People) -> None:
    session = await people.sign_up("jiwoo@example.com")
    again = {"email": "jiwoo@example.com", "password": PASSWORD}
    assert code(await people.auth.post("/auth/v1/signup", json=again)) == (422, "user_already_exists")
    form = await people.api.post("/api/v1/ui/tickets", json=again | {"sign_up": True})
    assert code(form) == (422, "user_already_exists")
    assert (await people.me(session["access_token"])).status_code == 200


async def test_a_short_password_is_refused_with_its_reason(people: People) -> None:
    body = {"email": "jiwoo@example.com", "password": "short"}
    refused = await people.auth.post("/auth/v1/signup", json=body)
    assert code(refused) == (422, "weak_password")
    assert refused.json()["weak_password"]["reasons"] == ["length"]
    form = await people.api.post("/api/v1/ui/tickets", json=body | {"sign_up": True})
    assert code(form) == (422, "weak_password")


@pytest.mark.parametrize("email", ["jiwoo@example.com", "unknown@example.com"])
async def test_a_wrong_password_and_an_unknown_address_get_one_answer_at_every_door(people: People, email: str) -> None:
    await people.sign_up("jiwoo@example.com")
    wrong = {"email": email, "password": "not the password"}
    assert code(await people.sign_in(**wrong)) == (400, "invalid_credentials")
    for door in ("/api/v1/auth/token", "/api/v1/ui/tickets"):
        assert code(await people.api.post(door, json=wrong)) == (400, "invalid_credentials"), door


async def test_a_refresh_token_rotates_and_its_reuse_ends_the_session(people: People) -> None:
    session = await people.sign_up()
    first = await people.refresh(session["refresh_token"])
    assert first.status_code == 200, first.text
    assert first.json()["refresh_token"] != session["refresh_token"]
    assert (await people.me(first.json()["access_token"])).status_code == 200
    assert code(await people.refresh(session["refresh_token"])) == (400, "refresh_token_already_used")
    assert code(await people.refresh(first.json()["refresh_token"])) == (400, "refresh_token_not_found")


async def test_the_path_of_earlier_clients_signs_in_and_refreshes(people: People) -> None:
    session = await people.sign_up()
    body = {"email": session["user"]["email"], "password": PASSWORD}
    granted = await people.api.post("/api/v1/auth/token", json=body)
    assert granted.status_code == 200, granted.text
    renewed = await people.api.post("/api/v1/auth/token", json={"refresh_token": granted.json()["refresh_token"]})
    assert (await people.me(renewed.json()["access_token"])).json()["user"]["id"] == session["user"]["id"]
    again = await people.api.post("/api/v1/auth/token", json={"refresh_token": granted.json()["refresh_token"]})
    assert code(again) == (400, "refresh_token_already_used")
    made_up = await people.api.post("/api/v1/auth/token", json={"refresh_token": "no token of anybody"})
    assert code(made_up) == (400, "refresh_token_not_found")


@pytest.mark.parametrize(
    ("scope", "own", "other"),
    [("local", 400, 200), ("others", 200, 400), ("global", 400, 400)],
    ids=["local", "others", "global"],
)
async def test_signing_out_ends_the_sessions_of_its_scope(people: People, scope: str, own: int, other: int) -> None:
    session = await people.sign_up()
    elsewhere = (await people.sign_in(session["user"]["email"])).json()
    out = await people.auth.post(f"/auth/v1/logout?scope={scope}", headers=bearer(session["access_token"]))
    assert out.status_code == 204
    assert (await people.refresh(session["refresh_token"])).status_code == own
    assert (await people.refresh(elsewhere["refresh_token"])).status_code == other


async def test_a_browsers_session_from_the_form_to_the_end(people: People) -> None:
    form = {"email": "jiwoo@example.com", "password": PASSWORD}

    async def open_browser(**more: Any) -> dict[str, str]:
        ticket = (await people.api.post("/api/v1/ui/tickets", json=form | more)).json()["ticket"]
        return {"session": (await people.api.post("/api/v1/ui/sessions", json={"ticket": ticket})).json()["session"]}

    first, second = await open_browser(sign_up=True), await open_browser()
    tokens = [await people.api.post("/api/v1/ui/sessions/token", json=handle) for handle in (first, second)]
    assert {(await people.me(token.json()["access_token"])).json()["user"]["email"] for token in tokens} == {
        form["email"]
    }
    assert (await people.api.request("DELETE", "/api/v1/ui/sessions", json=first)).status_code == 204
    assert (await people.api.post("/api/v1/ui/sessions/token", json=first)).status_code == 401
    assert (await people.api.post("/api/v1/ui/sessions/token", json=second)).status_code == 200
    everywhere = await people.api.post(
        "/api/v1/ui/sessions/revoke-all", headers=bearer(tokens[1].json()["access_token"])
    )
    assert everywhere.status_code == 204
    assert (await people.api.post("/api/v1/ui/sessions/token", json=second)).status_code == 401


@pytest.mark.parametrize(
    "token",
    [ANON_KEY, SERVICE_KEY, "", "a.b.c", "eyJhbGciOiJub25lIn0.e30."],
    ids=["anon", "service", "none", "odd", "unsigned"],
)
async def test_keys_and_what_is_no_token_are_nobody(people: People, token: str) -> None:
    assert (await people.me(token)).status_code == 401


async def test_erasing_oneself_removes_the_account_with_the_provider(
    people: People, peer: SupabasePeer | None, database_url: str
) -> None:
    session = await people.sign_up("jiwoo@example.com")
    headers = bearer(session["access_token"])
    await people.me(session["access_token"])
    wrong = await people.api.request("DELETE", "/api/v1/me", json={"password": "not the password"}, headers=headers)
    assert code(wrong) == (400, "invalid_credentials")
    erased = await people.api.request("DELETE", "/api/v1/me", json={"password": PASSWORD}, headers=headers)
    assert erased.status_code == 204, erased.text
    assert (await people.me(session["access_token"])).status_code == 401
    database = await asyncpg.connect(database_url)
    try:
        rows = await database.fetch(
            "SELECT body FROM maru.outbox WHERE topic_or_queue = 'erase-account' ORDER BY not_before NULLS FIRST"
        )
        calling = callback_headers() | {"Content-Type": "application/json"}
        if peer is not None:
            assert (await people.refresh(session["refresh_token"])).status_code == 200, (
                "the provider has not been told yet"
            )
            peer.fail(500, 401)
            for _ in range(2):
                again = await people.api.post("/internal/tasks/erase-account", content=rows[0]["body"], headers=calling)
                assert again.status_code == 503, "a provider in trouble is asked again"
            assert (await people.me(session["access_token"])).status_code == 401
        for row in [*rows, *rows]:
            done = await people.api.post("/internal/tasks/erase-account", content=row["body"], headers=calling)
            assert done.status_code == 204, done.text
        assert await database.fetchval("SELECT count(*) FROM maru.erased_accounts") == 0
    finally:
        await database.close()
    assert code(await people.sign_in("jiwoo@example.com")) == (400, "invalid_credentials")
    assert (await people.refresh(session["refresh_token"])).status_code == 400
    anew = await people.sign_up("jiwoo@example.com")
    assert anew["user"]["id"] != session["user"]["id"]
    assert (await people.me(anew["access_token"])).status_code == 200
