"""Administrators: who they are, what they see, and that calls are recorded without content."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from api.admin.service import AdminService
from api.auth.admin import AccountMissing, create_admin
from api.http.identity import SignInRefused
from api.main import build_app
from fastapi import FastAPI
from shared.db import Database, Principal
from shared.testing import eventually
from shared.testing.identity import PASSWORD, SignUp, Somebody

LOGS, USAGE = "/api/v1/admin/api-logs", "/api/v1/admin/usage"


async def promote(api_url: str, owner_url: str, email: str, password: str | None = None) -> str:
    gateway, owner = Database(api_url), Database(owner_url)
    try:
        return str(await create_admin(gateway, owner, email, password))
    finally:
        await gateway.close()
        await owner.close()


async def signed_in(http: httpx.AsyncClient, email: str, password: str = PASSWORD) -> dict[str, str]:
    answer = await http.post("/auth/v1/token?grant_type=password", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def admin(nobody: httpx.AsyncClient, api_database_url: str, database_url: str) -> dict[str, str]:
    """The headers of an administrator."""
    await promote(api_database_url, database_url, "admin@example.com", PASSWORD)
    return await signed_in(nobody, "admin@example.com")


async def logged(http: httpx.AsyncClient, admin: dict[str, str], **params: Any) -> list[dict[str, Any]]:
    answer = await http.get(LOGS, headers=admin, params=params)
    assert answer.status_code == 200, answer.text
    logs: list[dict[str, Any]] = answer.json()["logs"]
    return logs


async def test_an_administrator_is_made_with_a_password_and_signs_in(
    nobody: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    me = (await nobody.get("/api/v1/me", headers=admin)).json()
    assert (me["user"]["is_admin"], me["spaces"][0]["kind"]) == (True, "personal")
    assert (await nobody.get(USAGE, headers=admin)).status_code == 200


async def test_somebody_who_signed_up_is_promoted_and_keeps_their_password(
    nobody: httpx.AsyncClient, sign_up: SignUp, api_database_url: str, database_url: str
) -> None:
    somebody = await sign_up()
    assert (await somebody.http.get(USAGE)).json()["code"] == "admin_only"
    assert await promote(api_database_url, database_url, somebody.email.upper()) == somebody.id
    assert (await nobody.get(USAGE, headers=await signed_in(nobody, somebody.email))).status_code == 200


async def test_a_password_given_again_replaces_the_old_one(
    nobody: httpx.AsyncClient, sign_up: SignUp, api_database_url: str, database_url: str
) -> None:
    somebody = await sign_up()
    await promote(api_database_url, database_url, somebody.email, "새로운 관리자 암호")
    assert await signed_in(nobody, somebody.email, "새로운 관리자 암호")
    answer = await nobody.post(
        "/auth/v1/token?grant_type=refresh_token", json={"refresh_token": somebody.refresh_token}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(("email", "password", "error"), [
    ("nobody@example.com", None, AccountMissing), ("no address", PASSWORD, SignInRefused), ("a@example.com", "short", SignInRefused),
])  # fmt: skip
async def test_an_administrator_is_not_made_from_nothing(
    api_database_url: str, database_url: str, email: str, password: str | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await promote(api_database_url, database_url, email, password)


async def test_the_gateway_itself_cannot_make_administrators(sign_up: SignUp, api_database_url: str) -> None:
    somebody = await sign_up()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await promote(api_database_url, api_database_url, somebody.email)


async def test_calls_are_recorded_without_what_was_said(
    nobody: httpx.AsyncClient, admin: dict[str, str], sign_up: SignUp, database_url: str
) -> None:
    somebody = await sign_up()
    secret = "아무도 보면 안 되는 이름"
    person = await somebody.http.post("/api/v1/people", json={"name": secret})
    read = await somebody.http.get(f"/api/v1/people/{person.json()['id']}?q={somebody.email}")
    missing = await somebody.http.get("/api/v1/people/0190a8a0-0000-7000-8000-000000000000")
    await nobody.get("/api/v1/me")

    async def arrived() -> bool:
        seen = {row["request_id"] for row in await logged(nobody, admin)}
        return {read.headers["x-request-id"], missing.headers["x-request-id"]} <= seen

    await eventually(arrived)
    (row,) = await logged(nobody, admin, request_id=missing.headers["x-request-id"])
    assert (row["method"], row["endpoint"], row["status_code"]) == ("GET", "/api/v1/people/{person_id}", 404)
    assert (row["user_id"], row["error_message"]) == (somebody.id, "person_not_found")
    refused = await logged(nobody, admin, min_status=401)
    assert (refused[0]["status_code"] >= 401, len(await logged(nobody, admin, user_id=somebody.id)) >= 3) == (
        True,
        True,
    )
    connection = await asyncpg.connect(database_url)
    try:
        kept = " ".join(r["row"] for r in await connection.fetch("SELECT t::text AS row FROM maru.api_logs t"))
    finally:
        await connection.close()
    for private in (secret, somebody.email, PASSWORD, somebody.access_token, person.json()["id"]):
        assert private not in kept


async def test_what_is_still_in_memory_is_written_at_shutdown(
    gateway_environment: dict[str, str], database_url: str
) -> None:
    app = build_app(gateway_environment)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://maru.test") as http:
            await asyncio.gather(*(http.get("/api/v1/me") for _ in range(1_200)))
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM maru.api_logs WHERE status_code = 401") == 1_200
    finally:
        await connection.close()


async def test_a_database_that_is_away_costs_the_record_and_nothing_else(gateway_environment: dict[str, str]) -> None:
    app = build_app(gateway_environment | {"DATABASE_URL": "postgresql://maru_api@127.0.0.1:1/none"})
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://maru.test") as http:
            for _ in range(3):
                assert (await http.get("/auth/v1/settings")).status_code == 200


async def test_the_summary_counts_calls_errors_latency_and_cost(
    nobody: httpx.AsyncClient, admin: dict[str, str], sign_up: SignUp, database_url: str
) -> None:
    somebody = await sign_up()
    for _ in range(4):
        await somebody.http.get("/api/v1/people/0190a8a0-0000-7000-8000-000000000000")
    connection = await asyncpg.connect(database_url)
    try:
        for cost in (1_500, 500):
            await connection.execute(
                """
                INSERT INTO maru.usage_events (id, space_id, user_id, kind, provider, model, input_tokens, output_tokens, cost_micros)
                VALUES (gen_random_uuid(), $1, $2, 'answer', 'openai', 'some-model', 100, 10, $3)
                """,
                somebody.space_id,
                somebody.id,
                cost,
            )
    finally:
        await connection.close()

    async def counted() -> dict[str, Any] | None:
        summary: dict[str, Any] = (await nobody.get(USAGE, headers=admin)).json()
        by_route = {row["endpoint"]: row for row in summary["endpoints"]}
        people = by_route.get("/api/v1/people/{person_id}")
        return summary | {"people_route": people} if people and people["calls"] == 4 else None

    summary = await eventually(counted)
    assert summary is not None
    assert summary["people_route"]["client_errors"] == 4
    assert 0 < summary["p50_ms"] <= summary["p95_ms"]
    (usage,) = summary["models"]
    assert (usage["email"], usage["events"], usage["input_tokens"], usage["cost_micros"]) == (
        somebody.email,
        2,
        200,
        2_000,
    )
    assert summary["cost_micros"] == 2_000
    earlier = await nobody.get(USAGE, headers=admin, params={"from": "2020-01-01", "to": "2020-01-02"})
    assert (earlier.json()["calls"], earlier.json()["p95_ms"], earlier.json()["models"]) == (0, None, [])
    backwards = await nobody.get(USAGE, headers=admin, params={"from": "2021-01-01", "to": "2020-01-01"})
    assert (backwards.status_code, backwards.json()["code"]) == (422, "period_backwards")


async def test_the_sum_of_costs_is_for_administrators_in_sql_too(sign_up: SignUp, api_database_url: str) -> None:
    somebody = await sign_up()
    database = Database(api_database_url)
    try:
        async with database.tenant_tx(Principal(UUID(somebody.id), is_admin=True)) as connection:
            assert await connection.fetch("SELECT * FROM maru.usage_summary('-infinity', 'infinity')") == []
    finally:
        await database.close()


async def test_calls_come_in_pages_the_latest_first(nobody: httpx.AsyncClient, admin: dict[str, str]) -> None:
    for _ in range(6):
        await nobody.get("/api/v1/spaces")
    mine = {"min_status": 401}

    async def six() -> bool:
        return len(await logged(nobody, admin, **mine)) == 6

    await eventually(six)
    seen: list[int] = []
    token = None
    while True:
        params = mine | {"page_size": 4} | ({"page_token": token} if token else {})
        page = (await nobody.get(LOGS, headers=admin, params=params)).json()
        seen += [row["id"] for row in page["logs"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert (len(seen), seen) == (6, sorted(seen, reverse=True))
    for unfit in ({"page_token": "x"}, {"min_status": 9}, {"user_id": "x"}, {"request_id": "a b"}, {"page_size": 0}):
        assert 400 <= (await nobody.get(LOGS, headers=admin, params=unfit)).status_code < 500


async def test_old_calls_are_forgotten(
    gateway: FastAPI, nobody: httpx.AsyncClient, admin: dict[str, str], database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    insert = """
        INSERT INTO maru.api_logs (request_id, method, endpoint, status_code, response_time_ms, created_at)
        VALUES ($1, 'GET', '/', 200, 1, now() - $2::interval)
    """
    try:
        await connection.execute(insert, "old", timedelta(days=31))
        await connection.execute(insert, "young", timedelta(days=29))
        await gateway.state.services.get(AdminService).sweep()
        rows = await connection.fetch("SELECT request_id FROM maru.api_logs WHERE request_id IN ('old', 'young')")
        assert [row["request_id"] for row in rows] == ["young"]
    finally:
        await connection.close()


async def test_an_administrator_sees_nobodys_things(
    nobody: httpx.AsyncClient, admin: dict[str, str], sign_up: SignUp
) -> None:
    somebody: Somebody = await sign_up()
    person = (await somebody.http.post("/api/v1/people", json={"name": "민지"})).json()["id"]
    assert (await nobody.get(f"/api/v1/people/{person}", headers=admin)).status_code == 404
    assert (await nobody.get(f"/api/v1/spaces/{somebody.space_id}", headers=admin)).status_code == 404
