"""The built-in identity provider, over HTTP: accounts, sessions, refresh tokens, sign-out."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from api.http.identity import IdentityProvider, SignedIn, SignInRefused
from fastapi import FastAPI
from shared.auth import LocalKeys, TokenVerifier
from shared.db import Database
from shared.testing.identity import PASSWORD, SignUp

TOKEN = "/auth/v1/token?grant_type=password"
REFRESH = "/auth/v1/token?grant_type=refresh_token"


async def refreshed(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post(REFRESH, json={"refresh_token": token})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def signed_in(http: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, Any]:
    answer = await http.post(TOKEN, json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def works(http: httpx.AsyncClient, session: dict[str, Any]) -> bool:
    return (await http.get("/api/v1/me", headers=bearer(session["access_token"]))).status_code == 200


async def test_signing_up_signs_in_and_makes_a_personal_space(nobody: httpx.AsyncClient) -> None:
    body = {"email": " Jiwoo@Example.COM ", "password": PASSWORD, "data": {"name": "지우", "locale": "ko"}}
    answer = await nobody.post("/auth/v1/signup", json=body)
    assert answer.status_code == 200, answer.text
    session = answer.json()
    assert session["user"]["email"] == "jiwoo@example.com"
    assert session["user"]["user_metadata"] == {"name": "지우", "locale": "ko"}
    me = (await nobody.get("/api/v1/me", headers=bearer(session["access_token"]))).json()
    expected = {"email": "jiwoo@example.com", "display_name": "지우", "locale": "ko", "is_admin": False}
    assert me["user"] == {"id": session["user"]["id"], **expected}
    (space,) = me["spaces"]
    assert (space["id"], space["kind"], space["role"]) == (me["personal_space_id"], "personal", "owner")


async def test_account_space_and_event_are_one_transaction(sign_up: SignUp, database_url: str) -> None:
    somebody = await sign_up()
    database = await asyncpg.connect(database_url)
    try:
        (event,) = await database.fetch("SELECT topic_or_queue, key, body FROM maru.outbox")
        assert (event["topic_or_queue"], event["key"]) == ("user.signed_up", somebody.id)
        assert somebody.space_id in event["body"]
    finally:
        await database.close()


async def test_the_same_address_signs_up_once_also_when_asked_at_once(
    nobody: httpx.AsyncClient, database_url: str
) -> None:
    body = {"email": "twice@example.com", "password": PASSWORD}
    answers = await asyncio.gather(*(nobody.post("/auth/v1/signup", json=body) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422, 422]
    refusal = next(answer.json() for answer in answers if answer.status_code == 422)
    assert refusal["code"] == refusal["error_code"] == "user_already_exists"
    assert refusal["message"] == refusal["msg"] == "User already registered"
    variant = await nobody.post("/auth/v1/signup", json=body | {"email": "ＴＷＩＣＥ@example.com"})
    assert variant.json()["code"] == "user_already_exists"
    database = await asyncpg.connect(database_url)
    try:
        assert await database.fetchval("SELECT count(*) FROM maru.spaces") == 1
    finally:
        await database.close()


async def test_an_access_token_has_the_claims_of_supabase_auth(
    gateway: FastAPI, nobody: httpx.AsyncClient, sign_up: SignUp
) -> None:
    somebody = await sign_up()
    claims = jwt.decode(somebody.access_token, options={"verify_signature": False})
    assert claims["sub"] == somebody.id
    assert claims["exp"] - claims["iat"] == 3600
    assert (claims["aud"], claims["role"], claims["aal"]) == ("authenticated", "authenticated", "aal1")
    assert {"session_id", "app_metadata", "user_metadata", "email", "amr", "is_anonymous", "phone"} <= set(claims)
    jwks = await nobody.get("/auth/v1/.well-known/jwks.json")
    (key,) = jwks.json()["keys"]
    assert (key["alg"], key["kty"], "d" in key) == ("ES256", "EC", False)
    assert "max-age" in jwks.headers["cache-control"]
    outside = TokenVerifier(LocalKeys(jwks.json), issuer=claims["iss"])
    assert str((await outside.verify(somebody.access_token)).user_id) == somebody.id


async def test_what_people_write_about_themselves_makes_nobody_an_administrator(nobody: httpx.AsyncClient) -> None:
    data = {"is_admin": True, "role": "service_role", "app_metadata": {"is_admin": True}}
    body = {
        "email": "sly@example.com",
        "password": PASSWORD,
        "data": data,
        "app_metadata": {"is_admin": True},
        "role": "admin",
    }
    session = (await nobody.post("/auth/v1/signup", json=body)).json()
    assert session["user"]["app_metadata"] == {"provider": "email", "providers": ["email"]}
    await nobody.put(
        "/auth/v1/user", json={"data": data, "app_metadata": data}, headers=bearer(session["access_token"])
    )
    await nobody.patch("/api/v1/me", json={"is_admin": True}, headers=bearer(session["access_token"]))
    renewed = (await refreshed(nobody, session["refresh_token"])).json()
    assert renewed["user"]["role"] == "authenticated"
    answer = await nobody.get("/api/v1/admin/usage", headers=bearer(renewed["access_token"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_only")


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    nobody: httpx.AsyncClient, sign_up: SignUp
) -> None:
    somebody = await sign_up()
    wrong = await nobody.post(TOKEN, json={"email": somebody.email, "password": PASSWORD + "!"})
    unknown = await nobody.post(TOKEN, json={"email": "nobody@example.com", "password": PASSWORD})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_credentials")
    same = {"code", "error_code", "message", "msg", "detail", "title", "status", "type"}
    assert {k: wrong.json()[k] for k in same} == {k: unknown.json()[k] for k in same}
    assert wrong.headers["content-type"] == "application/problem+json"
    assert wrong.headers["x-supabase-api-version"] == "2024-01-01"


async def test_a_password_is_the_same_composed_and_decomposed(nobody: httpx.AsyncClient) -> None:
    import unicodedata

    body = {"email": "hangul@example.com", "password": unicodedata.normalize("NFD", PASSWORD)}
    assert (await nobody.post("/auth/v1/signup", json=body)).status_code == 200
    assert await signed_in(nobody, "HANGUL@example.com", unicodedata.normalize("NFC", PASSWORD))


async def test_a_refresh_token_is_exchanged_once_and_its_reuse_ends_the_session(
    nobody: httpx.AsyncClient, sign_up: SignUp
) -> None:
    somebody = await sign_up()
    other = await signed_in(nobody, somebody.email)
    first = await refreshed(nobody, somebody.refresh_token)
    assert first.status_code == 200, first.text
    again = await refreshed(nobody, somebody.refresh_token)
    assert (again.status_code, again.json()["code"]) == (400, "refresh_token_already_used")
    successor = await refreshed(nobody, first.json()["refresh_token"])
    assert (successor.status_code, successor.json()["code"]) == (400, "refresh_token_not_found")
    assert not await works(nobody, first.json())
    assert await works(nobody, other)


async def test_refreshing_keeps_the_session_and_the_chain_goes_on(nobody: httpx.AsyncClient, sign_up: SignUp) -> None:
    somebody = await sign_up()
    token, sessions = somebody.refresh_token, set()
    for _ in range(4):
        answer = (await refreshed(nobody, token)).json()
        token = answer["refresh_token"]
        sessions.add(jwt.decode(answer["access_token"], options={"verify_signature": False})["session_id"])
    assert len(sessions) == 1


async def test_two_tabs_that_refresh_at_once_are_no_thieves(
    gateway: FastAPI, sign_up: SignUp, api_database_url: str
) -> None:
    """Exchanges that overlap get a successor each: the second began before the first had ended."""
    somebody = await sign_up()
    provider: IdentityProvider = gateway.state.identity_provider
    database = Database(api_database_url)
    try:
        async with database.service_tx() as late:
            assert await late.fetchval("SELECT now()")
            async with database.service_tx() as early:
                first = await provider.refresh(early, somebody.refresh_token)
            second = await provider.refresh(late, somebody.refresh_token)
        async with database.service_tx() as afterwards:
            third = await provider.refresh(afterwards, somebody.refresh_token)
    finally:
        await database.close()
    assert isinstance(first, SignedIn)
    assert isinstance(second, SignedIn)
    assert first.session_id == second.session_id
    assert first.refresh_token != second.refresh_token
    assert isinstance(third, SignInRefused)


@pytest.mark.parametrize("token", ["", "x", "지우" * 50, "a" * 1024, "\ud800", "\x00"])
async def test_what_is_no_refresh_token_is_refused(nobody: httpx.AsyncClient, token: str) -> None:
    import json

    answer = await nobody.post(
        REFRESH, content=json.dumps({"refresh_token": token}), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in {"refresh_token_not_found", "validation_failed"}


async def test_an_expired_refresh_token_is_refused(
    nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    somebody = await sign_up()
    database = await asyncpg.connect(database_url)
    try:
        await database.execute("UPDATE idp.refresh_tokens SET expires_at = now() - interval '1 second'")
    finally:
        await database.close()
    assert (await refreshed(nobody, somebody.refresh_token)).json()["code"] == "refresh_token_not_found"


async def test_only_hashes_of_passwords_and_refresh_tokens_are_kept(sign_up: SignUp, database_url: str) -> None:
    somebody = await sign_up()
    database = await asyncpg.connect(database_url)
    try:
        for table in (
            "idp.users",
            "idp.sessions",
            "idp.refresh_tokens",
            "maru.outbox",
            "maru.profiles",
            "maru.rate_buckets",
        ):
            rows = await database.fetch(f"SELECT t::text AS row FROM {table} t")
            for secret in (PASSWORD, somebody.refresh_token, somebody.access_token):
                assert not any(secret in row["row"] for row in rows), table
        assert (await database.fetchval("SELECT password_hash FROM idp.users")).startswith(
            "$argon2id$v=19$m=19456,t=2,p=1$"
        )
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("scope", "alive"), [("global", (False, False)), ("local", (False, True)), ("others", (True, False))]
)
async def test_signing_out_ends_the_sessions_of_its_scope_at_once(
    nobody: httpx.AsyncClient, sign_up: SignUp, scope: str, alive: tuple[bool, bool]
) -> None:
    somebody, stranger = await sign_up(), await sign_up("stranger")
    this, other = await signed_in(nobody, somebody.email), await signed_in(nobody, somebody.email)
    assert await works(nobody, this)
    assert await works(nobody, other)
    answer = await nobody.post(f"/auth/v1/logout?scope={scope}", headers=bearer(this["access_token"]))
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await works(nobody, this), await works(nobody, other)) == alive
    for session, lives in zip((this, other), alive, strict=True):
        assert ((await refreshed(nobody, session["refresh_token"])).status_code == 200) is lives
    assert (await stranger.http.get("/api/v1/me")).status_code == 200


async def test_a_token_of_a_session_that_has_ended_is_refused_with_a_reason(sign_up: SignUp) -> None:
    somebody = await sign_up()
    assert (await somebody.http.post("/auth/v1/logout")).status_code == 204
    answer = await somebody.http.get("/api/v1/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    again = await somebody.http.post("/auth/v1/logout")
    assert (again.status_code, again.json()["code"]) == (403, "bad_jwt")


async def test_a_new_password_counts_from_now_on_and_ends_the_other_sessions(
    nobody: httpx.AsyncClient, sign_up: SignUp
) -> None:
    somebody = await sign_up()
    other = await signed_in(nobody, somebody.email)
    changed = await somebody.http.put(
        "/auth/v1/user", json={"password": "새로운 마루 43!", "current_password": PASSWORD}
    )
    assert changed.status_code == 200, changed.text
    assert (await somebody.http.get("/api/v1/me")).status_code == 200
    assert not await works(nobody, other)
    assert (await nobody.post(TOKEN, json={"email": somebody.email, "password": PASSWORD})).status_code == 400
    assert await signed_in(nobody, somebody.email, "새로운 마루 43!")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"password": PASSWORD}, 422, "same_password"),
        ({"password": "short"}, 422, "weak_password"),
        ({"password": "완전히 새 암호", "current_password": "wrong one"}, 400, "invalid_credentials"),
        ({"email": "other@example.com"}, 400, "validation_failed"),
        ({"data": {"text": "a" * 5_000}}, 400, "validation_failed"),
        ({"data": {"text": "nul\x00"}}, 400, "validation_failed"),
        ({"data": "text"}, 400, "validation_failed"),
    ],
)
async def test_an_unfit_change_of_the_account_changes_nothing(
    sign_up: SignUp, change: dict[str, Any], status: int, code: str
) -> None:
    somebody = await sign_up()
    before = (await somebody.http.get("/auth/v1/user")).json()
    answer = await somebody.http.put("/auth/v1/user", json=change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await somebody.http.get("/auth/v1/user")).json() == before


async def test_metadata_is_merged_and_a_null_removes(sign_up: SignUp) -> None:
    somebody = await sign_up("지우")
    await somebody.http.put("/auth/v1/user", json={"data": {"nickname": "마루", "name": None}})
    changed = await somebody.http.put("/auth/v1/user", json={"data": {"theme": {"dark": True}}})
    assert changed.json()["user_metadata"] == {"nickname": "마루", "theme": {"dark": True}}
    full = await somebody.http.put("/auth/v1/user", json={"data": {"rest": "a" * 4_050}})
    assert full.json()["code"] == "validation_failed"


async def test_without_a_token_or_with_a_bad_one_the_account_is_not_shown(nobody: httpx.AsyncClient) -> None:
    for method, path in (("GET", "/auth/v1/user"), ("PUT", "/auth/v1/user"), ("POST", "/auth/v1/logout")):
        missing = await nobody.request(method, path, json={})
        assert (missing.status_code, missing.json()["code"]) == (401, "no_authorization")
        bad = await nobody.request(method, path, json={}, headers=bearer("not.a.token"))
        assert (bad.status_code, bad.json()["code"]) == (403, "bad_jwt")
    answer = await nobody.get("/api/v1/me", headers=bearer("not.a.token"))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_what_the_provider_says_about_itself(nobody: httpx.AsyncClient) -> None:
    settings = (await nobody.get("/auth/v1/settings")).json()
    assert settings["external"]["email"] is True
    assert settings["mailer_autoconfirm"] is True
    assert (await nobody.get("/auth/v1/health")).status_code == 200


async def test_the_path_that_earlier_clients_know_signs_in_and_refreshes(
    nobody: httpx.AsyncClient, sign_up: SignUp
) -> None:
    somebody = await sign_up()
    session = await nobody.post("/api/v1/auth/token", json={"email": somebody.email, "password": PASSWORD})
    assert session.status_code == 200, session.text
    assert await works(nobody, session.json())
    renewed = await nobody.post("/api/v1/auth/token", json={"refresh_token": session.json()["refresh_token"]})
    assert await works(nobody, renewed.json())
    again = await nobody.post(
        "/api/v1/auth/token", json={"grant_type": "refresh_token", "refresh_token": session.json()["refresh_token"]}
    )
    assert (again.status_code, again.json()["code"]) == (400, "refresh_token_already_used")
    for body in ({}, {"email": "a@b.co"}, {"grant_type": "refresh_token"}):
        assert (await nobody.post("/api/v1/auth/token", json=body)).status_code == 400
    wrong = await nobody.post("/api/v1/auth/token", json={"email": somebody.email, "password": "wrong password"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_credentials")


async def test_a_hash_made_with_other_parameters_is_renewed_at_the_next_sign_in(
    nobody: httpx.AsyncClient, sign_up: SignUp, database_url: str
) -> None:
    import unicodedata

    from argon2 import PasswordHasher

    somebody = await sign_up()
    old = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(unicodedata.normalize("NFKC", PASSWORD))
    database = await asyncpg.connect(database_url)
    try:
        await database.execute("UPDATE idp.users SET password_hash = $1", old)
        await signed_in(nobody, somebody.email)
        assert "m=19456,t=2" in await database.fetchval("SELECT password_hash FROM idp.users")
        await database.execute("UPDATE idp.users SET password_hash = 'not a hash'")
    finally:
        await database.close()
    assert (await nobody.post(TOKEN, json={"email": somebody.email, "password": PASSWORD})).status_code == 400
