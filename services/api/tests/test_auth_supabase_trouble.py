"""What the gateway makes of a Supabase Auth that is slow, broken, busy, or wants something else first."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Generator
from uuid import uuid4

import httpx
import jwt
import pytest
from api.auth.errors import ProviderUnavailable
from api.auth.supabase import SupabaseProvider
from shared.testing.identity import PASSWORD
from shared.testing.supabase_peer import ANON_KEY, SERVICE_KEY, Fault, SupabasePeer, run_supabase_peer

FORM = {"email": "jiwoo@example.com", "password": PASSWORD}


@pytest.fixture
def peer() -> Generator[SupabasePeer]:
    with run_supabase_peer() as running:
        yield running


@pytest.fixture
def gateway_environment(gateway_environment: dict[str, str], peer: SupabasePeer) -> dict[str, str]:
    return gateway_environment | {"SUPABASE_URL": peer.url, "SUPABASE_ANON_KEY": ANON_KEY}


@pytest.fixture
async def impatient(peer: SupabasePeer) -> AsyncGenerator[SupabaseProvider]:
    provider = SupabaseProvider(f"{peer.url}/auth/v1", ANON_KEY, SERVICE_KEY, timeout_s=0.3)
    yield provider
    await provider.close()


@pytest.mark.parametrize(
    ("given", "told"), [("17", "17"), ("soon", "60"), ("-5", "60"), ("99999999", "60"), (None, "60")], ids=str
)
async def test_a_busy_provider_is_passed_on_with_its_wait(
    nobody: httpx.AsyncClient, peer: SupabasePeer, given: str | None, told: str
) -> None:
    peer.faults = [Fault(429, {"Retry-After": given} if given else {})]
    answer = await nobody.post("/api/v1/auth/token", json=FORM)
    assert (answer.status_code, answer.json()["code"]) == (429, "over_request_rate_limit")
    assert answer.headers["retry-after"] == told


@pytest.mark.parametrize(
    "fault",
    [
        Fault(200, raw=b"<html>Bad gateway</html>"),
        Fault(200, raw=b"[]"),
        Fault(200, raw=b'{"access_token": "x"}'),
        Fault(200, raw=b'{"access_token": "x", "refresh_token": "y", "expires_at": "soon", "user": {"id": "z"}}'),
        Fault(200, raw=b""),
        Fault(302, {"Location": "https://evil.example/"}),
        Fault(401, raw=b'{"message": "Invalid API key"}'),
        Fault(502, raw=b"<html>"),
        Fault(544),
    ],
    ids=["html", "list", "half", "odd", "empty", "redirect", "key", "gateway", "unknown"],
)
@pytest.mark.parametrize("body", [FORM, {"refresh_token": "some token"}], ids=["password", "refresh"])
async def test_an_answer_that_is_none_signs_nobody_in_and_blames_nobody(
    nobody: httpx.AsyncClient, peer: SupabasePeer, fault: Fault, body: dict[str, str]
) -> None:
    peer.faults = [fault]
    answer = await nobody.post("/api/v1/auth/token", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "identity_provider_unavailable")
    assert "evil" not in answer.text
    assert "API key" not in answer.text


async def test_a_provider_that_says_nothing_is_given_up(impatient: SupabaseProvider, peer: SupabasePeer) -> None:
    peer.faults = [Fault(stalls=True)] * 2
    with pytest.raises(ProviderUnavailable):
        await impatient.sign_in("jiwoo@example.com", PASSWORD)
    with pytest.raises(ProviderUnavailable):
        await impatient.erase(uuid4())


async def test_an_address_that_is_not_confirmed_does_not_sign_in(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    peer.confirm_by_mail = True
    for form in (FORM | {"sign_up": True}, FORM):
        answer = await nobody.post("/api/v1/ui/tickets", json=form)
        assert (answer.status_code, answer.json()["code"]) == (400, "email_not_confirmed")
    peer.users["jiwoo@example.com"]["email_confirmed_at"] = "2026-01-01T00:00:00Z"
    assert (await nobody.post("/api/v1/ui/tickets", json=FORM)).status_code == 201


async def test_a_project_that_takes_no_new_accounts_says_so(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    peer.closed = True
    answer = await nobody.post("/api/v1/ui/tickets", json=FORM | {"sign_up": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "signup_disabled")


async def test_without_a_service_key_nothing_is_erased(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    session = (await nobody.post("/api/v1/ui/tickets", json=FORM | {"sign_up": True})).json()
    assert session["ticket"]
    token = (await nobody.post("/api/v1/auth/token", json=FORM)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await nobody.get("/api/v1/me", headers=headers)).status_code == 200
    refused = await nobody.request("DELETE", "/api/v1/me", json={"password": PASSWORD}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "erasure_unavailable")
    assert (await nobody.get("/api/v1/me", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "wrong", [{"nbf": 2**31}, {"iat": 2**31}, {"exp": None}, {"sub": "me"}, {"aud": ["authenticated"]}], ids=str
)
async def test_a_genuine_signature_over_a_wrong_claim_is_nobody(
    nobody: httpx.AsyncClient, peer: SupabasePeer, wrong: dict[str, object]
) -> None:
    answer = await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {peer.token(**wrong)}"})
    assert answer.status_code == 401


async def test_a_secret_that_nobody_configured_signs_nothing(nobody: httpx.AsyncClient, peer: SupabasePeer) -> None:
    now = int(time.time())
    claims = {"iss": f"{peer.url}/auth/v1", "aud": "authenticated", "sub": str(uuid4()), "iat": now, "exp": now + 60}
    for secret in ("x" * 32, ANON_KEY.ljust(32), json.dumps(peer.jwks["keys"][0])[1:-1]):
        token = jwt.encode(claims | {"role": "authenticated", "email": "x@example.com"}, secret, "HS256")
        assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_a_key_that_is_rotated_is_followed_and_known_tokens_stay(
    nobody: httpx.AsyncClient, peer: SupabasePeer
) -> None:
    before = peer.token()
    assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {before}"})).status_code == 200
    fetched = sum("jwks" in request for request in peer.requests)
    peer.add_key("RS256")
    after = peer.token()
    for _ in range(5):
        # The keys were fetched a moment ago: a stream of unknown ids is not to become a stream of requests.
        assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {after}"})).status_code == 401
    assert sum("jwks" in request for request in peer.requests) == fetched
    assert (await nobody.get("/api/v1/me", headers={"Authorization": f"Bearer {before}"})).status_code == 200
