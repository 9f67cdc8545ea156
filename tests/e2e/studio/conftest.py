"""The gateway and the dispatcher as processes of their own on one real Postgres, for tests that kill them, load them and weigh them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from shared.studio import worker_tokens
from shared.testing.identity import PASSWORD, auth_environment, public_key_pem
from shared.testing.ports import free_ports
from shared.testing.postgres import RoleUrls
from shared.testing.service_process import Service, plain_environment
from shared.testing.worker_client import WorkerClient

LEASE_S = 5.0
RUNNER = "simulated"


@dataclass
class Studio:
    """Both services, and the database from above row-level security."""

    api: Service
    inference: Service
    urls: RoleUrls
    home: Path
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def person(self) -> tuple[httpx.AsyncClient, str]:
        """Somebody new, signed in, and their space."""
        client = httpx.AsyncClient(base_url=self.api.url, timeout=30, trust_env=False)
        self.clients.append(client)
        body = {"email": f"{uuid4().hex[:12]}@maru.example", "password": PASSWORD}
        answer = await client.post("/auth/v1/signup", json=body)
        assert answer.status_code == 200, answer.text
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        return client, (await client.get("/api/v1/me")).json()["personal_space_id"]

    async def job(
        self, client: httpx.AsyncClient, kinds: list[str], *, runner: str = RUNNER, **fields: Any
    ) -> dict[str, Any]:
        """A job with one task for each kind, as simulated workers understand it."""
        made = await client.post("/api/v1/jobs", json={"name": "simulated", "runner": runner, **fields})
        assert made.status_code == 201, made.text
        items = {"count": len(kinds), "item_params": [{"kind": kind, "number": n} for n, kind in enumerate(kinds)]}
        enqueued = await client.post(f"/api/v1/jobs/{made.json()['id']}/enqueue", json=items)
        assert enqueued.status_code == 200, enqueued.text
        assert enqueued.json()["created"] == len(kinds)
        job: dict[str, Any] = enqueued.json()["job"]
        return job

    def token(self, space_ids: list[str] | None = None, runners: list[str] | None = None) -> str:
        """A worker token."""
        token, token_id, digest = worker_tokens.make_token()
        with self.database() as owner:
            owner.execute(
                "INSERT INTO maru.worker_tokens (id, name, space_ids, runners) VALUES (%s, 'simulated', %s::uuid[], %s)",
                (token_id, space_ids, runners),
            )
            owner.execute(
                "INSERT INTO maru.worker_token_versions (token_id, version, sha256, expires_at) VALUES (%s, 1, %s, now() + interval '1 day')",
                (token_id, digest),
            )
        return token

    def database(self) -> psycopg.Connection:
        """A connection above row-level security."""
        return psycopg.connect(self.urls.superuser, autocommit=True)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What the database holds."""
        with self.database() as owner:
            cursor = owner.execute(query.encode(), values)
            assert cursor.description is not None
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def worker(self, token: str) -> WorkerClient:
        """A worker's connection to the dispatcher."""
        return WorkerClient(self.inference.url, token)

    async def close(self) -> None:
        for client in self.clients:
            await client.aclose()


@pytest.fixture
async def studio(database_urls: RoleUrls, tmp_path: Path) -> AsyncGenerator[Studio]:
    """Both services up, with short leases."""
    ports = free_ports(2)
    env = _environment(database_urls, tmp_path / "home", ports)
    api = Service("api", ports[0], env | {"DATABASE_URL": database_urls.api}, tmp_path / "api.log")
    inference = Service(
        "inference", ports[1], env | {"DATABASE_URL": database_urls.inference}, tmp_path / "inference.log"
    )
    both = Studio(api, inference, database_urls, tmp_path)
    try:
        api.launch()
        inference.start()
        api.wait()
        yield both
        await both.close()
    finally:
        api.stop()
        inference.stop()


def _environment(urls: RoleUrls, home: Path, ports: list[int]) -> dict[str, str]:
    return plain_environment() | {
        "MARU_HOME": str(home),
        "MARU_API_URL": f"http://127.0.0.1:{ports[0]}",
        "MARU_INFERENCE_URL": f"http://127.0.0.1:{ports[1]}",
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": public_key_pem(),
        "MARU_FILES_KEY": "k" * 43,
        "MARU_RATE_LIMITS": "off",
        "MARU_LEASE_SECONDS": str(LEASE_S),
        "MARU_RETRY_SECONDS": "0.3",
        "MARU_LOG_LEVEL": "WARNING",
        **auth_environment(),
    }
