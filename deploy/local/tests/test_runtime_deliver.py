"""`maru deliver` beside services that are processes of their own, as containers of one host are."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from maru.errors import CannotStart
from maru.home import Home
from maru.runtime.deliver import Delivering
from maru.runtime.environment import service_variables
from maru.runtime.secrets import LocalSecrets
from shared.testing.ports import free_ports
from shared.testing.postgres import RoleUrls
from shared.testing.qdrant_peer import running_qdrant
from shared.testing.service_process import Service, plain_environment
from shared.testing.waiting import eventually_sync

pytestmark = pytest.mark.serial


@pytest.fixture
def variables(database_urls: RoleUrls, secrets: LocalSecrets, tmp_path: Path) -> Generator[dict[str, str]]:
    ports = dict(zip(("API", "INGEST", "INFERENCE", "UI"), free_ports(4), strict=True))
    env = {f"MARU_{name}_PORT": str(port) for name, port in ports.items()}
    dsn_of = {"api": database_urls.api, "ingest": database_urls.ingest, "inference": database_urls.inference}
    with running_qdrant() as qdrant:
        own = {
            "QDRANT_URL": qdrant.url,
            "DELIVERER_DATABASE_URL": database_urls.superuser.replace("postgres@", "maru_deliverer@"),
            "MARU_CALLBACK_SIGNING_KEY": secrets.callback_private_key,
        }
        yield plain_environment() | env | service_variables(env, Home(tmp_path / "home"), secrets, dsn_of) | own


@pytest.fixture
def services(variables: dict[str, str], tmp_path: Path) -> Generator[dict[str, Service]]:
    names = ("api", "ingest", "inference")
    made = {
        name: Service(name, int(variables[f"MARU_{name.upper()}_PORT"]), variables, tmp_path / f"{name}.log")
        for name in names
    }
    for service in made.values():
        service.launch()
    for service in made.values():
        service.wait()
    yield made
    for service in made.values():
        service.stop()


def deliverer(variables: dict[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "maru", "deliver"], env=variables, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("maru: delivering to http://127.0.0.1:"), said + process.stderr.read()
    return process


def call(service: Service, method: str, path: str, **request: Any) -> dict[str, Any]:
    answer = httpx.request(method, service.url + path, timeout=30, trust_env=False, **request)
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_an_entry_becomes_ready_and_a_stop_leaves_nothing_claimed(
    variables: dict[str, str], services: dict[str, Service], database_urls: RoleUrls
) -> None:
    api = services["api"]
    credentials = {"email": f"{uuid4().hex[:10]}@maru.example", "password": "a long enough phrase"}
    token = call(api, "POST", "/auth/v1/signup", json=credentials)["access_token"]
    headers = {"authorization": f"Bearer {token}"}
    note = {"kind": "note", "body": "오늘 할머니와 느티나무 아래에서 수박을 먹었다."}
    first = call(api, "POST", "/api/v1/entries", json=note, headers=headers)["id"]

    def status(entry: str) -> str:
        return str(call(api, "GET", f"/api/v1/entries/{entry}", headers=headers)["status"])

    assert status(first) == "processing"
    running = deliverer(variables)
    try:
        eventually_sync(lambda: status(first) == "ready", within=60)
        second = call(api, "POST", "/api/v1/entries", json=note, headers=headers)["id"]
        eventually_sync(lambda: status(second) == "ready", within=60)
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
    with psycopg.connect(database_urls.superuser) as connection:
        claimed = connection.execute("SELECT count(*) FROM local.deliveries WHERE claimed_by IS NOT NULL").fetchone()
        assert claimed == (0,)
        swept = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'maru_deliverer'").fetchone()
        assert swept == (0,)


FINE = {
    "DATABASE_URL": "postgresql://maru_deliverer@db/maru",
    "MARU_API_URL": "http://api:8000",
    "MARU_INGEST_URL": "http://ingest:8001",
    "MARU_INFERENCE_URL": "http://inference:8002",
}


def test_what_it_needs_comes_from_the_environment(secrets: LocalSecrets) -> None:
    one_line = secrets.callback_private_key.replace("\n", "\\n")
    delivering = Delivering.from_env(FINE | {"MARU_CALLBACK_SIGNING_KEY": one_line})
    assert delivering.services == {
        "api": "http://api:8000", "ingest": "http://ingest:8001", "inference": "http://inference:8002"
    }  # fmt: skip
    assert "PRIVATE" not in repr(delivering)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"GOOGLE_CLOUD_PROJECT": "maru-1"}, "publish to Pub/Sub and Cloud Tasks themselves"),
        ({"DATABASE_URL": "postgresql://u@db:6543/maru"}, "transaction pooler"),
        ({"MARU_INGEST_URL": "https://ingest.example"}, "MARU_INGEST_URL is 'https://ingest.example'"),
        ({"MARU_CALLBACK_SIGNING_KEY": "nonsense"}, "no P-256 private key"),
    ],
    ids=["cloud", "pooler", "https", "key"],
)
def test_what_cannot_deliver_is_refused_in_a_sentence(
    change: dict[str, str], sentence: str, secrets: LocalSecrets
) -> None:
    with pytest.raises(CannotStart, match=sentence):
        Delivering.from_env(FINE | {"MARU_CALLBACK_SIGNING_KEY": secrets.callback_private_key} | change)
