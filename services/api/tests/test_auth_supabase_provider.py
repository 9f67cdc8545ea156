"""The gateway with Supabase Auth as its provider, over the wire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from uuid import uuid4

import asyncpg
import httpx
import jwt
import pytest
from shared.testing.identity import PASSWORD
from shared.testing.supabase_peer import ANON_KEY, SupabasePeer, run_supabase_peer

LEGACY = "a legacy secret of at least thirty-two bytes"


@pytest.fixture(params=["ES256", "RS256"])
def peer(request: pytest.FixtureRequest) -> Generator[SupabasePeer]:
    with run_supabase_peer(request.param) as running:
        yield running


@pytest.fixture
def gateway_environment(gateway_environment: dict[str, str], peer: SupabasePeer) -> dict[str, str]:
    supabase = {"SUPABASE_URL": peer.url, "SUPABASE_ANON_KEY": ANON_KEY, "SUPABASE_JWT_SECRET": LEGACY}
    return {name: value for name, value in gateway_environment.items() if name != "MARU_AUTH_SIGNING_KEY"} | supabase


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_the_built_in_provider_is_not_there(nobody: httpx.AsyncClient) -> None:
    for method, path in (("POST", "/auth/v1/signup"), ("POST", "/auth/v1/token"), ("GET", "/auth/v1/user")):
        assert (await nobody.request(method, path, json={})).status_code == 404


async def test_the_first_request_of_a_person_makes_their_space_once(
    nobody: httpx.AsyncClient, peer: SupabasePeer, database_url: str
) -> None:
    token = peer.token(user_metadata={"full_name": "지우\n", "locale": "ko"})
    answers = await asyncio.gather(*(nobody.get("/api/v1/me", headers=bearer(token)) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    (space,) = {answer.json()["personal_space_id"] for answer in answers}
    assert answers[0].json()["user"]["display_name"] == "지우"
    assert answers[0].json()["user"]["locale"] == "ko"
    database = await asyncpg.connect(database_url)
    try:
        events = await database.fetch("SELECT body FROM maru.outbox WHERE topic_or_queue = 'user.signed_up'")
        assert len(events) == 1
        assert space in events[0]["body"]
    finally:
        await database.close()


async def test_a_first_request_elsewhere_than_me_makes_the_space_too(
    nobody: httpx.AsyncClient, peer: SupabasePeer
) -> None:
    answer = await nobody.post("/api/v1/people", json={"name": "민지"}, headers=bearer(peer.token()))
    assert answer.status_code == 201, answer.text


async def test_an_address_follows_whoever_has_it_today(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    person = str(uuid4())
    await nobody.get("/api/v1/me", headers=bearer(peer.token(sub=person, email="old@example.com")))
    moved = await nobody.get("/api/v1/me", headers=bearer(peer.token(sub=person, email="new@example.com")))
    assert moved.json()["user"]["email"] == "new@example.com"
    heir = await nobody.get("/api/v1/me", headers=bearer(peer.token(email="new@example.com")))
    assert heir.status_code == 200, heir.text
    assert heir.json()["user"]["email"] == "new@example.com"
    assert heir.json()["user"]["id"] != person


async def test_tokens_that_belong_to_nobody_here(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    for wrong in (
        {"role": "anon"},
        {"role": "service_role"},
        {"aud": "other"},
        {"iss": "https://evil.example"},
        {"exp": 1},
    ):
        assert (await nobody.get("/api/v1/me", headers=bearer(peer.token(**wrong)))).status_code == 401
    nameless = await nobody.get("/api/v1/me", headers=bearer(peer.token(email=None)))
    assert (nameless.status_code, nameless.json()["code"]) == (403, "email_required")


async def test_a_token_of_the_legacy_secret_is_accepted(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    now = int(time.time())
    claims = {"iss": f"{peer.url}/auth/v1", "aud": "authenticated", "sub": str(uuid4()), "iat": now, "exp": now + 60}
    token = jwt.encode(claims | {"role": "authenticated", "email": "old@example.com"}, LEGACY, "HS256")
    assert (await nobody.get("/api/v1/me", headers=bearer(token))).status_code == 200


async def test_a_browser_session_lives_on_supabase(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    peer.lifetime_s = 60
    body = {"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True, "name": "지우", "locale": "ko"}
    ticket = await nobody.post("/api/v1/ui/tickets", json=body)
    assert ticket.status_code == 201, ticket.text
    session = (await nobody.post("/api/v1/ui/sessions", json={"ticket": ticket.json()["ticket"]})).json()["session"]
    # A minute is less than a script may need, so the token is exchanged before it is handed out.
    peer.lifetime_s = 3600
    answers = await asyncio.gather(
        *(nobody.post("/api/v1/ui/sessions/token", json={"session": session}) for _ in range(4))
    )
    (token,) = {answer.json()["access_token"] for answer in answers}
    assert sum("refresh_token" in request for request in peer.requests) == 1
    me = (await nobody.get("/api/v1/me", headers=bearer(token))).json()
    assert (me["user"]["display_name"], me["user"]["locale"]) == ("지우", "ko")
    assert (await nobody.get("/api/v1/ui/sessions", headers=bearer(token))).json()["sessions"]
    assert (await nobody.post("/api/v1/ui/sessions/revoke-all", headers=bearer(token))).status_code == 204
    assert "POST /auth/v1/logout?scope=global" in peer.requests
    assert (await nobody.post("/api/v1/ui/sessions/token", json={"session": session})).status_code == 401


async def test_signing_out_one_browser_tells_supabase(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    body = {"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True}
    ticket = (await nobody.post("/api/v1/ui/tickets", json=body)).json()["ticket"]
    session = (await nobody.post("/api/v1/ui/sessions", json={"ticket": ticket})).json()["session"]
    assert (await nobody.request("DELETE", "/api/v1/ui/sessions", json={"session": session})).status_code == 204
    assert "POST /auth/v1/logout?scope=local" in peer.requests


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "jiwoo@example.com", "password": "wrong password"}, 400, "invalid_credentials"),
        ({"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True}, 422, "user_already_exists"),
        ({"email": "new@example.com", "password": "short", "sign_up": True}, 422, "weak_password"),
    ],
)
async def test_supabase_refusals_arrive_as_problems(
    nobody: httpx.AsyncClient, peer: SupabasePeer, body: dict[str, object], status: int, code: str
) -> None:
    first = {"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True}
    assert (await nobody.post("/api/v1/ui/tickets", json=first)).status_code == 201
    answer = await nobody.post("/api/v1/ui/tickets", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_project_that_wants_addresses_confirmed_says_so(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    peer.confirm_by_mail = True
    answer = await nobody.post(
        "/api/v1/ui/tickets", json={"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "email_not_confirmed")


@pytest.mark.parametrize(
    ("failure", "status", "code"), [(500, 503, "identity_provider_unavailable"), (429, 429, "over_request_rate_limit")]
)
async def test_while_supabase_fails_nobody_is_signed_in_or_out(
    nobody: httpx.AsyncClient, peer: SupabasePeer, failure: int, status: int, code: str
) -> None:
    peer.lifetime_s = 60
    body = {"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True}
    ticket = (await nobody.post("/api/v1/ui/tickets", json=body)).json()["ticket"]
    session = (await nobody.post("/api/v1/ui/sessions", json={"ticket": ticket})).json()["session"]
    peer.fail(failure)
    answer = await nobody.post("/api/v1/ui/tickets", json=body | {"sign_up": False})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    peer.fail(failure)
    answer = await nobody.post("/api/v1/ui/sessions/token", json={"session": session})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "retry-after" in answer.headers
    assert (await nobody.post("/api/v1/ui/sessions/token", json={"session": session})).status_code == 200


async def test_a_session_that_supabase_has_ended_ends_here(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    peer.lifetime_s = 60
    body = {"email": "jiwoo@example.com", "password": PASSWORD, "sign_up": True}
    ticket = (await nobody.post("/api/v1/ui/tickets", json=body)).json()["ticket"]
    session = (await nobody.post("/api/v1/ui/sessions", json={"ticket": ticket})).json()["session"]
    peer.end_sessions()
    for _ in range(2):
        answer = await nobody.post("/api/v1/ui/sessions/token", json={"session": session})
        assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
