"""Every route × nobody, a stranger, a viewer, the owner.

A route without a rule fails the first test: whoever adds a route says in `tenant_rules` whom it is for, and how to name an object of the household.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from shared.testing.identity import PASSWORD, SignUp
from tenant_rules import ABSENT, ANY, OPEN, RULES, SECRET, Household


def route_of(rule: str) -> tuple[str, str]:
    """A rule's method and path; a name after `?` tells several rules of one route apart."""
    method, _, path = rule.partition(" ")
    return method, path.partition("?")[0]


def routes(app: FastAPI) -> set[str]:
    return {f"{method.upper()} {path}" for path, operations in app.openapi()["paths"].items() for method in operations}


def test_every_route_has_a_rule(gateway: FastAPI) -> None:
    ruled = {" ".join(route_of(rule)) for rule in RULES}
    assert not OPEN & ruled
    missing = routes(gateway) - OPEN - ruled
    assert not missing, f"say in RULES whom these are for: {sorted(missing)}"
    assert not (OPEN | ruled) - routes(gateway), "these rules are for no route"


def test_the_document_says_which_routes_need_a_token(gateway: FastAPI) -> None:
    for path, operations in gateway.openapi()["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            if not path.startswith("/auth/v1"):
                assert bool(operation.get("security")) is (name not in OPEN), name


@pytest.fixture
async def house(sign_up: SignUp, nobody: httpx.AsyncClient, database_url: str) -> Household:
    owner, viewer, stranger = await sign_up("owner"), await sign_up("viewer"), await sign_up("stranger")
    other = await sign_up("other")

    async def made(path: str, **fields: Any) -> str:
        answer = await owner.http.post(path, json=fields)
        assert answer.status_code == 201, answer.text
        identifier: str = answer.json()["id"]
        return identifier

    space = await made("/api/v1/spaces", name=SECRET)
    for member, role in ((viewer, "viewer"), (other, "editor")):
        added = await owner.http.post(f"/api/v1/spaces/{space}/members", json={"email": member.email, "role": role})
        assert added.status_code == 201, added.text
    mine = await made("/api/v1/people", name="personal")
    ids = {
        "space_id": space,
        "user_id": other.id,
        "person_id": await made("/api/v1/people", name=SECRET, space_id=space),
        "entry_id": await made("/api/v1/entries", kind="note", body=SECRET, space_id=space),
        "upload_id": await made("/api/v1/uploads", filename="a.txt", content_type="text/plain", size=3, space_id=space),
        "conversation_id": await made("/api/v1/conversations", title=SECRET, space_ids=[space]),
        "job_id": await made("/api/v1/jobs", name=SECRET, runner="image", space_id=space),
        "token_id": "k3v9x2m4p7q1",
        "worker_id": "0190a8a0-0000-7000-8000-000000000001",
        "letter_id": "message-9223372036854775",
        "field": "summary",
        "number": "1",
    }
    tasks = f"/api/v1/jobs/{ids['job_id']}/tasks"
    await owner.http.post(tasks.replace("/tasks", "/enqueue"), json={"count": 1})
    ids["task_id"] = (await owner.http.get(tasks)).json()["tasks"][0]["id"]
    ticket = await nobody.post("/api/v1/ui/tickets", json={"email": owner.email, "password": PASSWORD})
    await nobody.post("/api/v1/ui/sessions", json={"ticket": ticket.json()["ticket"]})
    ids["session_id"] = (await owner.http.get("/api/v1/ui/sessions")).json()["sessions"][0]["id"]
    database = await asyncpg.connect(database_url)
    try:
        stream = await database.fetchval(
            "SELECT stream_id FROM maru.entry_versions WHERE entry_id = $1", ids["entry_id"]
        )
    finally:
        await database.close()
    ids["stream_id"] = str(stream)
    alone = frozenset({ids["conversation_id"], ids["session_id"], mine, owner.space_id})
    return Household(owner, viewer, stranger, space, ids, alone, database_url)


async def ask(house: Household, http: httpx.AsyncClient, name: str, *, permitted: bool = False) -> httpx.Response:
    rule = RULES[name]
    method, path = route_of(name)
    for parameter, value in house.ids.items():
        path = path.replace("{" + parameter + "}", value)
    assert "{" not in path, f"Household.ids has nothing for {path}"
    headers = {"Last-Event-ID": "impossible"} if rule.streams and permitted else {}
    sent = None if rule.body is None else rule.body(house)
    return await http.request(method, path, json=sent, params=rule.query(house), headers=headers)


async def snapshot(house: Household) -> dict[str, list[Any]]:
    """Every row of the household, but for what a request writes about itself."""
    volatile = {"api_logs", "rate_buckets", "idempotency_keys"}
    tables = (
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'maru' AND column_name = 'space_id'"
    )
    database = await asyncpg.connect(house.database_url)
    try:
        names = [row[0] for row in await database.fetch(tables) if row[0] not in volatile]
        rows = {
            name: [row[0] for row in await database.fetch(
                f"SELECT to_jsonb(t)::text FROM maru.{name} t WHERE space_id = ANY($1) ORDER BY 1", [house.space, house.owner.space_id]
            )]
            for name in names
        }  # fmt: skip
        rows["conversations"] = [
            row[0]
            for row in await database.fetch(
                "SELECT to_jsonb(t)::text FROM maru.conversations t WHERE owner_id = $1", house.owner.id
            )
        ]
        return rows
    finally:
        await database.close()


async def test_nobody_gets_in_without_a_token(house: Household, nobody: httpx.AsyncClient) -> None:
    before = await snapshot(house)
    failures = []
    for name in RULES:
        for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": f"Basic {house.owner.access_token}"}):
            nobody.headers.pop("Authorization", None)
            nobody.headers.update(headers)
            answer = await ask(house, nobody, name)
            expected = {401, 403} if name.split()[1].startswith("/auth/v1") else {401}
            if answer.status_code not in expected or answer.headers["content-type"] != "application/problem+json":
                failures.append((name, headers, answer.status_code))
    assert not failures
    assert await snapshot(house) == before


async def test_a_stranger_finds_nothing_and_changes_nothing(house: Household) -> None:
    before = await snapshot(house)
    failures = []
    for name, rule in RULES.items():
        if rule.stranger is ANY:
            continue
        answer = await ask(house, house.stranger.http, name)
        leaked = [secret for secret in house.secrets if secret in answer.text and secret not in echoed(house, name)]
        if not rule.stranger.holds(answer.status_code) or leaked:
            failures.append((name, answer.status_code, rule.stranger.value, leaked))
    assert not failures
    assert await snapshot(house) == before


async def test_a_viewer_reads_what_is_shared_and_changes_nothing(house: Household) -> None:
    before = await snapshot(house)
    failures = []
    for name, rule in RULES.items():
        if rule.viewer is ANY:
            continue
        answer = await ask(house, house.viewer.http, name, permitted=rule.viewer is not ABSENT)
        leaked = [secret for secret in house.private if secret in answer.text and secret not in echoed(house, name)]
        if not rule.viewer.holds(answer.status_code) or leaked:
            failures.append((name, answer.status_code, rule.viewer.value, leaked))
    assert not failures
    assert await snapshot(house) == before


async def test_the_owner_reaches_everything(house: Household) -> None:
    """Without this, a wrong id in the table would pass for a refusal."""
    failures = []
    for name, rule in RULES.items():
        answer = await ask(house, house.owner.http, name, permitted=True)
        if not rule.owner.holds(answer.status_code) and not (name.endswith("/{field}") and answer.status_code == 404):
            failures.append((name, answer.status_code, answer.text[:200]))
    assert not failures


async def test_an_id_that_does_not_exist_gets_the_strangers_answer(house: Household) -> None:
    """Otherwise the difference would tell that somebody else's object exists."""
    nowhere = {name: str(uuid4()) if len(value) == 36 else value for name, value in house.ids.items()}
    missing = Household(house.owner, house.viewer, house.stranger, house.space, nowhere, house.private, "")
    failures = []
    for name, rule in RULES.items():
        if rule.stranger is not ABSENT or "{" not in name:
            continue
        real, made_up = [(await ask(one, house.stranger.http, name)).json() for one in (house, missing)]
        if any(real[part] != made_up[part] for part in ("status", "code", "detail", "title")):
            failures.append((name, real, made_up))
    assert not failures


async def test_a_file_needs_its_signature(nobody: httpx.AsyncClient, house: Household) -> None:
    for method in ("GET", "PUT"):
        for path in (
            f"/files/spaces/{house.space}/{house.ids['upload_id']}/original",
            "/files/x",
            "/files/../../etc/passwd",
        ):
            answer = await nobody.request(method, path)
            assert 400 <= answer.status_code < 500, (method, path, answer.status_code)
            assert SECRET not in answer.text


async def test_internal_routes_are_closed_to_people(
    gateway: FastAPI, house: Household, nobody: httpx.AsyncClient
) -> None:
    for http in (nobody, house.owner.http):
        answer = await http.post("/internal/sweep")
        assert (answer.status_code, answer.json()["code"]) == (401, "callback_forged")


def echoed(house: Household, name: str) -> str:
    """What the caller has just said may come back."""
    rule = RULES[name]
    return json.dumps([rule.body(house) if rule.body else None, rule.query(house)], ensure_ascii=False)
