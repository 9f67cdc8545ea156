"""`maru up` as the person at the terminal meets it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from maru.home import Home
from maru.postgres import EmbeddedPostgres, strays
from maru.runtime.environment import read_service_env
from shared.testing.waiting import eventually_sync

NewProduct = Callable[..., Any]
pytestmark = pytest.mark.serial

PASSWORD = "a long enough phrase for tests"


@contextmanager
def signed_in(api: str) -> Generator[httpx.Client]:
    with httpx.Client(base_url=api, timeout=30, trust_env=False) as client:
        sign_up(client)
        yield client


def sign_up(client: httpx.Client) -> None:
    answer = client.post("/auth/v1/signup", json={"email": f"{uuid4().hex[:12]}@maru.example", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"


def write_and_wait(client: httpx.Client, body: str) -> str:
    entry_id = str(client.post("/api/v1/entries", json={"kind": "note", "body": body}).json()["id"])
    eventually_sync(lambda: client.get(f"/api/v1/entries/{entry_id}").json()["status"] == "ready", within=60)
    return entry_id


def refused(product: Any, *flags: str) -> str:
    """What a start that cannot end well says: one sentence, no traceback, an exit status that is not 0."""
    before = len(product.terminal.read_text()) if product.terminal.exists() else 0
    process = product.launch(*flags)
    assert process.wait(60) == 1
    said = product.terminal.read_text()[before:]
    assert "Traceback" not in said
    (sentence,) = [line for line in said.splitlines() if line.startswith("maru: ")]
    return sentence


def test_everything_starts_is_found_again_and_ends_on_ctrl_c(new_product: NewProduct) -> None:
    product = new_product(flags=("--ui", "--workers", "1"))
    product.start()
    said = product.terminal.read_text()
    for line in (
        "web app",
        "api",
        "ingest",
        "inference",
        "database",
        "events, tasks",
        "vectors",
        "files",
        "sign-in",
        "language model",
        "worker",
    ):
        assert any(row.startswith(line) for row in said.splitlines()), line
    for service in ("api", "ingest", "inference"):
        assert (
            httpx.get(
                f"http://127.0.0.1:{product.ports[service]}/health/ready", trust_env=False, timeout=30
            ).status_code
            == 200
        )
    assert httpx.get(product.ui_url, trust_env=False, timeout=30).status_code == 200
    with signed_in(product.api_url) as client:
        entry_id = write_and_wait(client, "강가를 걸었다. We walked along the river.")
        began = time.monotonic()
        assert product.stop() == 0
        assert time.monotonic() - began < 10
        assert processes_of(product) == []

        product.start()
        assert client.get(f"/api/v1/entries/{entry_id}").json()["body"].startswith("강가를")
        hits = client.post("/api/v1/search", json={"query": "river"}).json()["hits"]
        assert [hit["entry_id"] for hit in hits] == [entry_id]


def processes_of(product: Any) -> list[str]:
    """Every process that still belongs to this home or listens for it."""
    listing = subprocess.run(
        ["ps", "-eo", "pid=,command="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    cluster = EmbeddedPostgres(product.home).cluster
    return [line for line in listing if str(product.home) in line or cluster in line]


def test_kill_9_leaves_no_process_behind(new_product: NewProduct) -> None:
    product = new_product(flags=("--ui", "--workers", "2"))
    product.start()
    pid = int((Home(product.home).vector_socket.parent / "ui.pid").read_text())
    product.kill()
    eventually_sync(lambda: not processes_of(product) and not Path(f"/proc/{pid}").exists(), within=10)


def test_a_second_start_on_the_same_home_is_refused(new_product: NewProduct) -> None:
    first, second = new_product(), new_product()
    first.start()
    assert f"already runs on {first.home} (process {first.process.pid})" in refused(second)
    assert httpx.get(f"{first.api_url}/health", trust_env=False, timeout=30).status_code == 200


def test_a_busy_port_is_named_with_the_variable_that_moves_it(new_product: NewProduct) -> None:
    import socket

    product = new_product()
    with socket.create_server(("127.0.0.1", product.ports["ingest"])):
        sentence = refused(product)
    assert f"Port {product.ports['ingest']}" in sentence
    assert "MARU_INGEST_PORT" in sentence
    assert not (product.home / "pg").exists(), "nothing was made"


def test_two_services_on_one_port_are_refused(new_product: NewProduct) -> None:
    product = new_product()
    product.ports["ingest"] = product.ports["api"]
    assert "both to listen on port" in refused(product)


def test_a_port_that_is_no_number_is_refused(new_product: NewProduct) -> None:
    product = new_product()
    product.env["MARU_UI_PORT"] = "eighty"
    assert "MARU_UI_PORT is 'eighty'" in refused(product)


def test_an_unwritable_home_is_refused(new_product: NewProduct, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    variables = new_product().variables | {"MARU_HOME": str(tmp_path / "file" / "home")}
    argv = [sys.executable, "-m", "maru", "up", "--no-ui"]
    process = subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert "cannot be written" in process.stderr
    assert "MARU_HOME" in process.stderr
    assert "Traceback" not in process.stderr


def test_data_of_another_postgres_is_refused(new_product: NewProduct) -> None:
    product = new_product()
    (product.home / "pg").mkdir(parents=True)
    (product.home / "pg" / "PG_VERSION").write_text("16\n")
    assert "was written by Postgres 16" in refused(product)


def test_a_database_of_a_newer_release_is_refused(new_product: NewProduct) -> None:
    import psycopg

    product = new_product()
    product.home.mkdir()
    server = EmbeddedPostgres(product.home)
    server.start()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE public.maru_schema_revision AS SELECT '9999' AS version_num")
    server.stop()
    assert "by a newer Maru" in refused(product)


def test_the_database_comes_back_when_it_was_killed(new_product: NewProduct) -> None:
    product = new_product()
    product.start()
    with signed_in(product.api_url) as client:
        before = write_and_wait(client, "before the database was killed")
        server = EmbeddedPostgres(product.home)
        for pid in strays.running(server.cluster):
            os.kill(pid, signal.SIGKILL)
        eventually_sync(lambda: client.get(f"/api/v1/entries/{before}").status_code == 200, within=30)
        write_and_wait(client, "after the database was killed")


def test_the_web_app_comes_back_when_it_was_killed_and_knows_no_secret(new_product: NewProduct) -> None:
    product = new_product(
        flags=("--ui", "--workers", "0"), env={"OPENAI_API_KEY": "", "R2_SECRET_KEY": "never-for-the-browser"}
    )
    product.start()
    pid_file = Home(product.home).vector_socket.parent / "ui.pid"
    pid = int(pid_file.read_text())
    environment = Path(f"/proc/{pid}/environ").read_bytes().decode()
    for secret in ("R2_SECRET_KEY", "DATABASE_URL", "SIGNING_KEY", "SESSION_KEY", "FILES_KEY"):
        assert secret not in environment
    os.kill(pid, signal.SIGKILL)
    eventually_sync(lambda: int(pid_file.read_text()) != pid and answers(product.ui_url), within=30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=30).status_code == 200
    except httpx.TransportError:
        return False


def test_a_worker_starts_and_ends_with_the_rest(new_product: NewProduct) -> None:
    product = new_product(flags=("--no-ui", "--workers", "1"))
    product.start()
    assert any(line.split()[:2] == ["worker", "1"] for line in product.terminal.read_text().splitlines())
    pid_file = Home(product.home).vector_socket.parent / "worker-1.pid"
    eventually_sync(pid_file.exists, within=30)
    assert product.stop() == 0
    assert processes_of(product) == []


def test_a_service_starts_alone_beside_the_running_engines(new_product: NewProduct) -> None:

    product = new_product()
    product.start()
    path = product.home / "service.env"
    assert path.stat().st_mode & 0o777 == 0o600
    variables = read_service_env(path)
    port = product.ports["ui"]
    own = {"PATH": os.environ["PATH"], "PORT": str(port)}
    # As a shell reads it, too.
    shell = subprocess.run(
        ["sh", "-c", f'set -a; . "{path}"; env'], env=own, capture_output=True, text=True, check=True
    ).stdout
    for name, value in variables.items():
        assert f"{name}={value}\n" in shell
    alone = subprocess.Popen(
        [sys.executable, "-m", "api"], env=own | variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        base = f"http://127.0.0.1:{port}"
        eventually_sync(lambda: answers(f"{base}/health"), within=30)
        with (
            signed_in(product.api_url) as client,
            httpx.Client(base_url=base, headers=client.headers, timeout=30, trust_env=False) as twin,
        ):
            entry_id = str(
                twin.post("/api/v1/entries", json={"kind": "note", "body": "written through the twin"}).json()["id"]
            )
            eventually_sync(lambda: client.get(f"/api/v1/entries/{entry_id}").json()["status"] == "ready", within=60)
            hits = twin.post("/api/v1/search", json={"query": "twin"}).json()["hits"]
        assert [hit["entry_id"] for hit in hits] == [entry_id]
    finally:
        alone.terminate()
        assert alone.wait(15) in {0, -signal.SIGTERM}
