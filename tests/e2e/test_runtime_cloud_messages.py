"""`maru up` with a project of Google's: the services publish, Google calls them, and no deliverer runs beside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
from maru.home import Home
from maru.postgres import EmbeddedPostgres
from shared.deliveries import ROUTES, TOPICS
from shared.testing import eventually
from shared.testing.google_peer import GooglePeer, provision

pytestmark = pytest.mark.serial
ACCOUNT = "invoker@maru-test.iam.gserviceaccount.com"
CLOUD = {"GOOGLE_CLOUD_PROJECT": "maru-test", "PUSH_SERVICE_ACCOUNT": ACCOUNT, "PUSH_AUTH_MODE": "oidc"}


async def test_an_entry_is_understood_by_way_of_google(
    new_product: Callable[..., Any], google_peer: GooglePeer
) -> None:
    product = new_product(env={**CLOUD, **google_peer.env})
    services = {name: f"http://127.0.0.1:{product.ports[name]}" for name in ("api", "ingest", "inference")}
    provision(google_peer, ROUTES, services, ACCOUNT, topics=TOPICS)
    product.start()
    assert "Pub/Sub, Cloud Tasks" in product.terminal.read_text()
    async with httpx.AsyncClient(base_url=product.api_url, timeout=30, trust_env=False) as client:
        account = {"email": "jiwoo@example.com", "password": "a long enough phrase for tests"}
        session = (await client.post("/auth/v1/signup", json=account)).json()
        client.headers["authorization"] = f"Bearer {session['access_token']}"
        saved = await client.post(
            "/api/v1/entries", json={"kind": "note", "body": "The zelkova in the yard was felled."}
        )
        assert saved.status_code == 201
        # It is with Pub/Sub already: nobody publishes after the answer.
        published = [json.loads(message.data) for message in google_peer.pubsub.published]
        assert saved.json()["id"] in [fact.get("entry_id") for fact in published]

        async def found() -> bool:
            answer = await client.post("/api/v1/search", json={"query": "zelkova"})
            return [hit["entry_id"] for hit in answer.json()["hits"]] == [saved.json()["id"]]

        assert await eventually(found, within=60)
    assert {call.name for call in google_peer.tasks.calls} >= {"index-entry"}
    connection = await asyncpg.connect(EmbeddedPostgres(Home(product.home).folder).dsn())
    try:
        assert await connection.fetchval("SELECT count(*) FROM local.deliveries") == 0
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"PUSH_AUTH_MODE": ""}, "PUSH_AUTH_MODE is 'local'"),
        ({"PUSH_SERVICE_ACCOUNT": ""}, "PUSH_SERVICE_ACCOUNT is not set"),
    ],
    ids=["mode", "account"],
)
def test_half_a_configuration_is_refused_in_a_sentence(
    new_product: Callable[..., Any], change: dict[str, str], says: str
) -> None:
    product = new_product(env={**CLOUD, **change})
    process: subprocess.Popen[bytes] = product.launch()
    assert process.wait(120) != 0
    assert says in product.terminal.read_text()
    assert "Traceback" not in product.terminal.read_text()
