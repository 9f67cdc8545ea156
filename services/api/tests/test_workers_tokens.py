"""Worker tokens: told once, kept as a hash, rotated with a grace, and nobody but an administrator sees any of it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from api.workers.service import WorkerTokenService
from shared.db import Database
from shared.studio import worker_tokens
from shared.testing import eventually
from shared.testing.identity import SignUp, Somebody

TOKENS = "/api/v1/admin/worker-tokens"


async def at(url: str, statement: str, *values: Any) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement, *values)
    finally:
        await connection.close()


async def made(admin: Somebody, **fields: Any) -> dict[str, Any]:
    answer = await admin.http.post(TOKENS, json={"name": "기계 하나", **fields})
    assert answer.status_code == 201, answer.text
    token: dict[str, Any] = answer.json()
    return token


async def listed(admin: Somebody) -> dict[str, dict[str, Any]]:
    answer = await admin.http.get(TOKENS)
    assert answer.status_code == 200, answer.text
    return {token["id"]: token for token in answer.json()["worker_tokens"]}


async def valid(api_database_url: str, token: str) -> bool:
    database = Database(api_database_url)
    try:
        return await WorkerTokenService(database).is_valid(token)
    finally:
        await database.close()


async def test_a_token_is_told_once_and_not_to_be_kept_on_the_way(admin: Somebody, api_database_url: str) -> None:
    answer = await admin.http.post(TOKENS, json={"name": "  box  ", "price_per_hour": 1.25, "expires_in_days": 7})
    token = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert (token["name"], token["price_per_hour"], token["created_by"]) == ("box", 1.25, admin.id)
    parsed = worker_tokens.parse(token["token"])
    assert parsed is not None
    assert parsed[0] == token["id"]
    assert await valid(api_database_url, token["token"])
    shown = (await listed(admin))[token["id"]]
    assert shown == {name: value for name, value in token.items() if name != "token"}
    assert [version["version"] for version in shown["versions"]] == [1]


async def test_a_token_may_be_limited_to_spaces_and_runners(admin: Somebody) -> None:
    token = await made(admin, space_ids=[admin.space_id, admin.space_id], runners=["image", "image"])
    assert (token["space_ids"], token["runners"]) == ([admin.space_id], ["image"])
    free = await made(admin)
    assert (free["space_ids"], free["runners"]) == (None, None)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "a" * 101},
        {"name": "two\nlines"},
        {"name": "\u202eturned"},
        {"name": "nul\x00"},
        {"expires_in_days": 0},
        {"expires_in_days": 3651},
        {"space_ids": []},
        {"space_ids": ["here"]},
        {"runners": []},
        {"runners": ["Image; drop"]},
        {"price_per_hour": -1},
        {"price_per_hour": "inf"},
        {"secret": "mine"},
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(admin: Somebody, fields: dict[str, Any]) -> None:
    answer = await admin.http.post(TOKENS, json={"name": "box", **fields})
    assert answer.status_code == 422, answer.text
    assert await listed(admin) == {}


async def test_a_rotated_token_has_two_secrets_for_a_while(admin: Somebody, api_database_url: str) -> None:
    first = await made(admin)
    answer = await admin.http.post(f"{TOKENS}/{first['id']}/rotate", json={"expires_in_days": 30})
    second = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert (second["id"], second["token"] != first["token"]) == (first["id"], True)
    assert await valid(api_database_url, first["token"])
    assert await valid(api_database_url, second["token"])
    old, new = second["versions"]
    assert (old["version"], new["version"], old["expires_at"] < new["expires_at"]) == (1, 2, True)
    refused = await admin.http.post(f"{TOKENS}/{first['id']}/rotate")
    assert (refused.status_code, refused.json()["code"]) == (409, "rotation_under_way")


async def test_the_secret_before_ends_after_its_grace(
    admin: Somebody, api_database_url: str, database_url: str
) -> None:
    first = await made(admin)
    second = (await admin.http.post(f"{TOKENS}/{first['id']}/rotate")).json()
    await at(database_url, "UPDATE maru.worker_token_versions SET expires_at = now() WHERE version = 1")
    assert not await valid(api_database_url, first["token"])
    assert await valid(api_database_url, second["token"])
    assert [version["version"] for version in (await listed(admin))[first["id"]]["versions"]] == [2]
    assert (await admin.http.post(f"{TOKENS}/{first['id']}/rotate")).json()["versions"][-1]["version"] == 3


async def test_without_grace_every_earlier_secret_ends_at_once(admin: Somebody, api_database_url: str) -> None:
    first = await made(admin)
    second = (await admin.http.post(f"{TOKENS}/{first['id']}/rotate")).json()
    third = (await admin.http.post(f"{TOKENS}/{first['id']}/rotate", json={"grace_hours": 0})).json()
    assert [await valid(api_database_url, one["token"]) for one in (first, second, third)] == [False, False, True]


async def test_rotations_at_once_leave_at_most_two_secrets(admin: Somebody) -> None:
    token = await made(admin)
    answers = await asyncio.gather(*(admin.http.post(f"{TOKENS}/{token['id']}/rotate") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert len((await listed(admin))[token["id"]]["versions"]) == 2


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/revoke")])
async def test_a_revoked_token_lets_nobody_in_and_stays_in_the_list(
    admin: Somebody, api_database_url: str, method: str, path: str
) -> None:
    token = await made(admin)
    await admin.http.post(f"{TOKENS}/{token['id']}/rotate")
    assert (await admin.http.request(method, f"{TOKENS}/{token['id']}{path}")).status_code == 204
    shown = (await listed(admin))[token["id"]]
    assert (shown["revoked_at"] is not None, shown["versions"]) == (True, [])
    assert not await valid(api_database_url, token["token"])
    again = await admin.http.request(method, f"{TOKENS}/{token['id']}{path}")
    assert (again.status_code, (await listed(admin))[token["id"]]["revoked_at"]) == (204, shown["revoked_at"])
    refused = await admin.http.post(f"{TOKENS}/{token['id']}/rotate")
    assert (refused.status_code, refused.json()["code"]) == (404, "worker_token_not_found")


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/revoke"), ("POST", "/rotate")])
async def test_a_token_that_does_not_exist_is_said_so(admin: Somebody, method: str, path: str) -> None:
    answer = await admin.http.request(method, f"{TOKENS}/{'a' * 12}{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "worker_token_not_found")
    assert (await admin.http.request(method, f"{TOKENS}/not-an-id{path}")).status_code == 422


async def test_the_secret_is_nowhere_but_in_its_answer(
    admin: Somebody, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = await made(admin)
    rotated = (await admin.http.post(f"{TOKENS}/{token['id']}/rotate")).json()
    secrets = [one["token"].rpartition(f"{token['id']}_")[2] for one in (token, rotated)]
    await admin.http.delete(f"{TOKENS}/{token['id']}")
    last = await admin.http.get(TOKENS)

    async def recorded() -> bool:
        found = await at(
            database_url,
            "SELECT count(*) FROM maru.api_logs WHERE request_id = $1",
            last.headers["x-request-id"],
        )
        return bool(found)

    await eventually(recorded)
    tables = [
        "maru.worker_tokens", "maru.worker_token_versions", "maru.api_logs", "maru.outbox", "maru.idempotency_keys",
    ]  # fmt: skip
    kept = "".join(
        [str(await at(database_url, f"SELECT coalesce(json_agg(t), '[]') FROM {table} t")) for table in tables]
    )
    for secret in secrets:
        assert secret not in kept
        assert secret not in last.text
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/worker-tokens"),
        ("POST", "/worker-tokens"),
        ("DELETE", "/worker-tokens/aaaaaaaaaaaa"),
        ("POST", "/worker-tokens/aaaaaaaaaaaa/revoke"),
        ("POST", "/worker-tokens/aaaaaaaaaaaa/rotate"),
    ],
)
async def test_nobody_else_gets_in(
    nobody: httpx.AsyncClient, sign_up: SignUp, admin: Somebody, method: str, path: str
) -> None:
    """Neither a stranger nor somebody signed in, and neither learns which tokens there are."""
    somebody = await sign_up()
    url = f"/api/v1/admin{path}"
    for body in ({"name": "mine"}, None):
        refused = await somebody.http.request(method, url, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "admin_only")
        assert (await nobody.request(method, url, json=body)).status_code == 401
    token = (await made(admin))["token"]
    with_it = await nobody.request(method, url, headers={"Authorization": f"Bearer {token}"})
    assert with_it.status_code == 401
    assert len(await listed(admin)) == 1


async def test_what_is_no_token_is_not_valid(api_database_url: str, admin: Somebody) -> None:
    token = await made(admin)
    other = worker_tokens.make_token(token["id"])[0]
    for wrong in ("", "wk_", token["token"] + "x", other, worker_tokens.make_token()[0], str(uuid4())):
        assert not await valid(api_database_url, wrong)


async def test_tokens_that_were_revoked_months_ago_are_forgotten(
    admin: Somebody, api_database_url: str, database_url: str
) -> None:
    old, young = await made(admin), await made(admin)
    for token in (old, young):
        await admin.http.delete(f"{TOKENS}/{token['id']}")
    await at(
        database_url,
        "UPDATE maru.worker_tokens SET revoked_at = now() - interval '91 days' WHERE id = $1",
        old["id"],
    )
    database = Database(api_database_url)
    await WorkerTokenService(database).forget_revoked()
    await database.close()
    assert set(await listed(admin)) == {young["id"]}
