"""The dispatcher as a service: it starts alone, is alive without a database, and sweeps for our scheduler only."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from inference.main import build_app
from shared.settings import SettingMissing

URL = "http://127.0.0.1:8002"
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def environment(database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": PUBLIC_KEY,
        "MARU_FILES_KEY": "a key of this test alone",
    }


def scheduler_token(audience: str = URL) -> str:
    now = int(time.time())
    claims = {
        "iss": "https://deliverer.maru.local",
        "aud": audience,
        "email": "deliverer@maru.local",
        "email_verified": True,
        "iat": now,
        "exp": now + 60,
    }
    return jwt.encode(claims, KEY, "ES256")


@pytest.fixture
async def client(inference_database_url: str, tmp_path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    app = build_app(environment(inference_database_url) | {"MARU_HOME": str(tmp_path)})
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client,
    ):
        yield client


async def test_it_is_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok"}
    ready = await client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["dependencies"]["database"]["status"] == "ok"


async def test_without_a_database_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    app = build_app(environment(f"postgresql:///maru?host={tmp_path}"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        assert (await client.get("/health")).status_code == 200
        ready = await client.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["dependencies"]["database"]["status"] == "away"


async def test_only_our_scheduler_may_sweep(client: httpx.AsyncClient) -> None:
    assert (await client.post("/internal/sweep")).status_code == 401
    stranger = {"authorization": f"Bearer {scheduler_token('http://127.0.0.1:8001')}"}
    assert (await client.post("/internal/sweep", headers=stranger)).json()["code"] == "callback_forged"


async def test_a_sweep_tidies_and_a_second_one_finds_nothing(client: httpx.AsyncClient, database_url: str) -> None:
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "INSERT INTO maru.rate_buckets (bucket, tokens, updated_at)"
        " VALUES ('idle', 1, now() - interval '2 days'), ('busy', 1, now())"
    )
    for _ in range(2):
        answer = await client.post("/internal/sweep", headers={"authorization": f"Bearer {scheduler_token()}"})
        assert answer.status_code == 204
    assert [row["bucket"] for row in await owner.fetch("SELECT bucket FROM maru.rate_buckets")] == ["busy"]
    await owner.close()


async def test_its_role_sees_no_tenant_and_no_sign_in(inference_database_url: str) -> None:
    connection = await asyncpg.connect(inference_database_url)
    try:
        for table in ("entries", "spaces", "conversations", "idp.users", "idp.refresh_tokens"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SET ROLE authenticated")
    finally:
        await connection.close()


@pytest.mark.parametrize("missing", ["DATABASE_URL", "PUSH_AUTH_MODE", "MARU_CALLBACK_PUBLIC_KEY", "MARU_FILES_KEY"])
def test_what_it_cannot_do_without_is_named_at_the_start(missing: str) -> None:
    env = environment("postgresql:///maru")
    del env[missing]
    with pytest.raises(SettingMissing, match=missing):
        build_app(env)
