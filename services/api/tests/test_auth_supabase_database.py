"""The gateway as it runs on Supabase: its Auth, its Postgres whose owner is no superuser, and a transaction pooler before it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import httpx
import psycopg
import pytest
from migrations import upgrade
from shared.testing.identity import PASSWORD, callback_headers
from shared.testing.pgbouncer import run_pgbouncer
from shared.testing.postgres import RoleUrls
from shared.testing.supabase_peer import ANON_KEY, SERVICE_KEY, SupabasePeer, run_supabase_peer
from shared.testing.supabase_postgres import SupabasePostgres, run_supabase_postgres


@pytest.fixture(scope="module")
def supabase(tmp_path_factory: pytest.TempPathFactory) -> Generator[SupabasePostgres]:
    with run_supabase_postgres(tmp_path_factory.mktemp("supabase")) as server:
        yield server


@pytest.fixture
def project(supabase: SupabasePostgres) -> RoleUrls:
    made = supabase.project()
    upgrade(made.superuser)
    return made


@pytest.fixture
def peer() -> Generator[SupabasePeer]:
    with run_supabase_peer() as running:
        yield running


@pytest.fixture
def gateway_environment(
    gateway_environment: dict[str, str],
    supabase: SupabasePostgres,
    project: RoleUrls,
    peer: SupabasePeer,
    tmp_path: Path,
) -> Generator[dict[str, str]]:
    auth = {"SUPABASE_URL": peer.url, "SUPABASE_ANON_KEY": ANON_KEY, "SUPABASE_SERVICE_KEY": SERVICE_KEY}
    with run_pgbouncer(str(supabase.socket_folder), project.name, tmp_path / "pgbouncer", pool_size=2) as addresses:
        yield gateway_environment | auth | {"DATABASE_URL": addresses["api"], "DATABASE_POOLED": "true"}


async def person(nobody: httpx.AsyncClient, email: str) -> dict[str, str]:
    form = {"email": email, "password": PASSWORD, "sign_up": True, "name": "지우"}
    assert (await nobody.post("/api/v1/ui/tickets", json=form)).status_code == 201
    granted = await nobody.post("/api/v1/auth/token", json={"email": email, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    assert (await nobody.get("/api/v1/me", headers=headers)).status_code == 200
    return headers


async def test_people_write_share_ask_and_leave(
    nobody: httpx.AsyncClient, peer: SupabasePeer, project: RoleUrls
) -> None:
    host, guest = await person(nobody, "host@example.com"), await person(nobody, "guest@example.com")
    space = (await nobody.post("/api/v1/spaces", json={"name": "가족"}, headers=host)).json()["id"]
    note = {"kind": "note", "body": "느티나무 아래에서 수박을 먹었다.", "space_id": space}
    entry = await nobody.post("/api/v1/entries", json=note, headers=host)
    assert entry.status_code == 201, entry.text
    address = f"/api/v1/entries/{entry.json()['id']}"
    assert (await nobody.get(address, headers=guest)).status_code == 404
    body = {"email": "guest@example.com", "role": "owner"}
    assert (await nobody.post(f"/api/v1/spaces/{space}/members", json=body, headers=host)).status_code == 201
    assert (await nobody.get(address, headers=guest)).status_code == 200
    conversation = (await nobody.post("/api/v1/conversations", json={}, headers=guest)).json()["id"]
    asked = await nobody.post(
        f"/api/v1/conversations/{conversation}/messages", json={"content": "무엇을 먹었지?"}, headers=guest
    )
    assert asked.status_code == 200, asked.text
    job = await nobody.post("/api/v1/jobs", json={"name": "x", "runner": "anything", "space_id": space}, headers=guest)
    enqueued = await nobody.post(f"/api/v1/jobs/{job.json()['id']}/enqueue", json={"count": 2}, headers=guest)
    assert enqueued.json()["created"] == 2, enqueued.text
    assert (await nobody.post("/internal/sweep", headers=callback_headers())).status_code == 204

    left = await nobody.request("DELETE", "/api/v1/me", json={"password": PASSWORD}, headers=host)
    assert left.status_code == 204, left.text
    assert (await nobody.get("/api/v1/me", headers=host)).status_code == 401
    kept = await nobody.get(address, headers=guest)
    assert (kept.status_code, kept.json()["author_id"]) == (200, "00000000-0000-0000-0000-000000000000")
    with psycopg.connect(project.superuser, autocommit=True) as owner:
        for (task,) in owner.execute(
            "SELECT body::text FROM maru.outbox WHERE topic_or_queue = 'erase-account' ORDER BY not_before NULLS FIRST"
        ).fetchall():
            headers = callback_headers() | {"Content-Type": "application/json"}
            assert (
                await nobody.post("/internal/tasks/erase-account", content=task, headers=headers)
            ).status_code == 204
        assert owner.execute("SELECT email FROM maru.profiles").fetchall() == [("guest@example.com",)]
    assert list(peer.users) == ["guest@example.com"]
