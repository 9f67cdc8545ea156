"""The commands beside `maru up`, on a running product and on one that is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from maru.postgres import EmbeddedPostgres

pytestmark = pytest.mark.serial

PASSWORD = "a long enough phrase for tests"


def sign_in(product: Any, email: str) -> httpx.Response:
    credentials = {"email": email, "password": PASSWORD}
    return httpx.post(
        f"{product.api_url}/auth/v1/token", params={"grant_type": "password"}, json=credentials, trust_env=False
    )


def test_an_administrator_is_made_beside_a_running_product(product: Any) -> None:
    email = f"{uuid4().hex[:10]}@maru.example"
    made = product.command("admin", "create", email, "--password-stdin", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    token = sign_in(product, email).json()["access_token"]
    me = httpx.get(
        f"{product.api_url}/api/v1/me", headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=30
    ).json()
    assert me["user"]["is_admin"] is True


def test_a_weak_password_and_an_unfit_address_are_refused_in_a_sentence(product: Any) -> None:
    for email, password in ((f"{uuid4().hex[:10]}@maru.example", "short"), ("not an address", PASSWORD)):
        refused = product.command("admin", "create", email, "--password-stdin", stdin=password + "\n")
        assert refused.returncode == 1
        assert refused.stderr.startswith("maru: ")
        assert "Traceback" not in refused.stderr


def test_an_administrator_without_account_and_password_is_refused(product: Any) -> None:
    refused = product.command("admin", "create", "nobody@maru.example")
    assert refused.returncode == 1
    assert "Nobody has signed up as nobody@maru.example" in refused.stderr


def test_the_doctor_finds_a_running_product_well(product: Any) -> None:
    told = product.command("doctor")
    assert told.returncode == 0, told.stdout
    for what in ("versions", "home", "maru up", "api", "ingest", "inference", "database", "entries", "messages"):
        assert f"  {what}: " in told.stdout
    assert "WRONG" not in told.stdout


def test_dead_letters_are_listed_by_the_doctor_too_and_tried_again(product: Any) -> None:
    server = EmbeddedPostgres(product.home)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO local.deliveries (message_id, subscription, kind, seq, body, published_at, dead_at, last_error, attempts) "
            "VALUES (gen_random_uuid(), 'forget-space', 'task', 0, %s, now(), now(), '500: the cause', 30)",
            [psycopg.types.json.Json({"space_id": str(uuid4())})],
        )
    told = product.command("doctor")
    assert told.returncode == 1
    assert "500: the cause" in told.stdout
    assert "maru dead-letters retry" in told.stdout
    listed = product.command("dead-letters", "list").stdout
    assert "forget-space" in listed
    number = listed.split()[0]
    assert product.command("dead-letters", "retry", number).stdout.startswith("1 are tried again")
    assert product.command("dead-letters", "list").stdout == ""


def test_reindexing_makes_every_entry_found_again(product: Any) -> None:
    from shared.testing.waiting import eventually_sync

    with httpx.Client(base_url=product.api_url, trust_env=False, timeout=30) as client:
        answer = client.post(
            "/auth/v1/signup", json={"email": f"{uuid4().hex[:10]}@maru.example", "password": PASSWORD}
        )
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        entry = client.post("/api/v1/entries", json={"kind": "note", "body": "a lighthouse in the fog"}).json()["id"]
        eventually_sync(lambda: client.get(f"/api/v1/entries/{entry}").json()["status"] == "ready", within=60)
        again = product.command("reindex")
        assert again.returncode == 0, again.stderr
        assert "entries are indexed anew" in again.stdout
        eventually_sync(lambda: "0 waiting" in product.command("doctor").stdout, within=60)
        hits = client.post("/api/v1/search", json={"query": "lighthouse"}).json()["hits"]
        assert [hit["entry_id"] for hit in hits] == [entry]


def test_commands_work_on_a_home_that_is_not_running(new_product: Callable[..., Any]) -> None:
    product = new_product()
    assert "does not exist yet" in product.command("doctor").stdout
    refused = product.command("reindex")
    assert refused.returncode == 1
    assert "Maru does not run" in refused.stderr
    email = f"{uuid4().hex[:10]}@maru.example"
    made = product.command("admin", "create", email, "--password-stdin", stdin=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    told = product.command("doctor")
    assert "not running" in told.stdout
    assert told.returncode == 0
    product.start()
    assert sign_in(product, email).status_code == 200


def test_the_version_is_told(product: Any) -> None:
    assert product.command("version").stdout == "maru 0.1.0\n"
