"""The deployment's shape on one machine: each service a process of its own, and behind every port the cloud's protocol spoken by a strict peer.

Postgres has a Supabase project's roles and PgBouncer before it; ingest stands behind Cloud Run's door, which takes the signature off the tokens.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from migrations import upgrade
from shared.deliveries import ROUTES, TOPICS
from shared.studio import worker_tokens
from shared.testing.cloud_run import CloudRunDoor, run_cloud_run_door
from shared.testing.google_peer import GooglePeer, provision, run_google_peer
from shared.testing.langsmith_peer import LangSmithPeer, langsmith_peer
from shared.testing.openai_peer import OpenAiPeer
from shared.testing.pgbouncer import run_pgbouncer
from shared.testing.ports import free_ports
from shared.testing.qdrant_peer import QdrantPeer, running_qdrant
from shared.testing.s3_peer import S3Peer, run_s3_peer
from shared.testing.service_process import Service, plain_environment
from shared.testing.supabase_peer import ANON_KEY, SupabasePeer, run_supabase_peer
from shared.testing.supabase_postgres import run_supabase_postgres
from shared.testing.telemetry_peer import ReceivedSpans, otlp_peer

PROJECT, REGION = "maru-test", "asia-northeast3"
INVOKER = "maru-invoker@maru-test.iam.gserviceaccount.com"
QDRANT_KEY = "qdrant-peer-key"
PASSWORD = "바람 부는 마루 42"


@dataclass
class Cloud:
    """Everything that runs; `logs` holds what the services printed."""

    services: dict[str, Service]
    google: GooglePeer
    door: CloudRunDoor
    s3: S3Peer
    qdrant: QdrantPeer
    supabase: SupabasePeer
    openai: OpenAiPeer
    langsmith: LangSmithPeer
    collector: ReceivedSpans
    owner_dsn: str
    logs: Path
    env: dict[str, str]
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def api(self) -> Service:
        """The gateway."""
        return self.services["api"]

    async def person(self) -> httpx.AsyncClient:
        """Somebody new, who signs up at Supabase as its client library does and takes the access token to the gateway."""
        email = f"{uuid4().hex[:12]}@maru.example"
        async with httpx.AsyncClient(base_url=self.supabase.url, headers={"apikey": ANON_KEY}, trust_env=False) as auth:
            signed_up = await auth.post("/auth/v1/signup", json={"email": email, "password": PASSWORD, "data": {}})
        assert signed_up.status_code == 200, signed_up.text
        client = httpx.AsyncClient(base_url=self.api.url, timeout=60, trust_env=False)
        client.headers["authorization"] = f"Bearer {signed_up.json()['access_token']}"
        self.clients.append(client)
        return client

    async def sweep(self) -> dict[str, int]:
        """What Cloud Scheduler calls each minute; the status of each service."""
        statuses = {}
        async with httpx.AsyncClient(timeout=60, trust_env=False) as scheduler:
            for name in self.services:
                base = self.env[f"MARU_{name.upper()}_URL"]
                token = self.google.signer.token(INVOKER, base)
                answer = await scheduler.post(f"{base}/internal/sweep", headers={"Authorization": f"Bearer {token}"})
                statuses[name] = answer.status_code
        return statuses

    def start_worker(self, folder: Path) -> None:
        """A worker that holds a token and knows the dispatcher's address, and nothing of the cloud."""
        token, token_id, digest = worker_tokens.make_token()
        with psycopg.connect(self.owner_dsn, autocommit=True) as owner:
            owner.execute("INSERT INTO maru.worker_tokens (id, name) VALUES (%s, 'rented')", (token_id,))
            owner.execute(
                "INSERT INTO maru.worker_token_versions (token_id, version, sha256, expires_at) VALUES (%s, 1, %s, now() + interval '1 day')",
                (token_id, digest),
            )
        variables = {"MARU_WORKER_TOKEN": token, "MARU_WORKER_DIR": str(folder), "MARU_WORKER_RUNNERS": "image"}
        url = {"MARU_INFERENCE_URL": self.services["inference"].url}
        with (self.logs / "worker.log").open("ab") as log:
            self.children.append(
                subprocess.Popen(
                    [sys.executable, "-m", "worker"], env=plain_environment() | variables | url, stdout=log, stderr=log
                )
            )

    def rows(self, query: str, *values: Any) -> list[Any]:
        """What the database holds, as its owner, whom row-level security does not bind on Supabase."""
        with psycopg.connect(self.owner_dsn, autocommit=True) as owner:
            return owner.execute(query.encode(), values).fetchall()

    async def close(self) -> None:
        """End what was started."""
        for client in self.clients:
            await client.aclose()
        for child in self.children:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncGenerator[Cloud]:
    """All peers and services up."""
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(run_supabase_postgres(tmp_path / "postgres"))
        project = postgres.project()
        upgrade(project.superuser)
        pooler = tmp_path / "pooler"
        pooler.mkdir()
        dsns = stack.enter_context(run_pgbouncer(str(postgres.socket_folder), project.name, pooler, pool_size=4))
        google = stack.enter_context(run_google_peer())
        ports = dict(zip(("api", "ingest", "inference", "ui"), free_ports(4), strict=True))
        door = stack.enter_context(run_cloud_run_door(ports["ingest"], google.signer.jwks(), (INVOKER,)))
        s3 = stack.enter_context(run_s3_peer())
        qdrant = stack.enter_context(running_qdrant(QDRANT_KEY))
        supabase = stack.enter_context(run_supabase_peer())
        openai = await stack.enter_async_context(OpenAiPeer())
        langsmith = stack.enter_context(langsmith_peer())
        collector = stack.enter_context(otlp_peer())
        env = _environment(ports, google, door) | _engines(google, s3, qdrant, supabase, openai)
        env |= _observed(langsmith, collector)
        addresses = {name: env[f"MARU_{name.upper()}_URL"] for name in ("api", "ingest", "inference")}
        provision(google, ROUTES, addresses, INVOKER, project=PROJECT, region=REGION, topics=TOPICS)
        services = {
            name: Service(name, ports[name], env | _own(google, name, dsns[name]), tmp_path / f"{name}.log")
            for name in addresses
        }
        everything = Cloud(
            services, google, door, s3, qdrant, supabase, openai, langsmith, collector, project.superuser, tmp_path, env
        )
        for service in services.values():
            stack.callback(service.stop)
            service.launch()
        stack.push_async_callback(everything.close)
        for service in services.values():
            service.wait()
        yield everything


def _own(google: GooglePeer, name: str, dsn: str) -> dict[str, str]:
    """What only this service is told: its login, and how callbacks prove themselves to it."""
    mode = "iam" if name == "ingest" else "oidc"
    return {"DATABASE_URL": _secret(google, f"{name}-database-url", dsn, pinned=True), "PUSH_AUTH_MODE": mode}


def _secret(google: GooglePeer, name: str, value: str, *, pinned: bool = False) -> str:
    """Put it into Secret Manager; how a variable names it."""
    version = google.secrets.add(PROJECT, name, value).rsplit("/", 1)[1]
    return f"sm://{name}/{version}" if pinned else f"sm://{name}"


def _environment(ports: dict[str, int], google: GooglePeer, door: CloudRunDoor) -> dict[str, str]:
    """Addresses, and Google's services."""
    addresses = {f"MARU_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    session_key = base64.urlsafe_b64encode(os.urandom(32)).decode()
    google_cloud = {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "GOOGLE_CLOUD_REGION": REGION,
        "PUSH_SERVICE_ACCOUNT": INVOKER,
        "MARU_SESSION_KEY": _secret(google, "session-key", session_key),
    }
    return plain_environment() | addresses | google.env | google_cloud | {"MARU_INGEST_URL": door.url}


def _engines(
    google: GooglePeer, s3: S3Peer, qdrant: QdrantPeer, supabase: SupabasePeer, openai: OpenAiPeer
) -> dict[str, str]:
    """What stands behind the ports, with its keys in Secret Manager."""
    return {
        "DATABASE_POOLED": "true",
        "QDRANT_URL": qdrant.url,
        "QDRANT_API_KEY": _secret(google, "qdrant-api-key", QDRANT_KEY),
        "R2_ENDPOINT": s3.endpoint,
        "R2_BUCKET": s3.bucket,
        "R2_ACCESS_KEY": s3.access_key,
        "R2_SECRET_KEY": _secret(google, "r2-secret-key", s3.secret_key),
        "SUPABASE_URL": supabase.url,
        "SUPABASE_ANON_KEY": ANON_KEY,
        "OPENAI_API_KEY": _secret(google, "openai-api-key", openai.api_key),
        "OPENAI_BASE_URL": openai.base_url,
        "MARU_RATE_LIMITS": "off",
        "MARU_EMBEDDING_DIMENSIONS": "64",
    }


def _observed(langsmith: LangSmithPeer, collector: ReceivedSpans) -> dict[str, str]:
    """Who is told what goes on."""
    return langsmith.environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
