"""The fleet inside the dispatcher: its sweep and the news of a job."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from inference.main import build_app
from shared.settings import SettingMissing
from shared.testing.identity import callback_headers, public_key_pem
from shared.testing.vast_peer import Fault, VastPeer

from .conftest import fleet_environment

URL = "http://127.0.0.1:8002"


def environment(database_url: str, tmp_path: Any, **changes: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": public_key_pem(),
        "MARU_HOME": str(tmp_path),
        "MARU_FILES_KEY": "a secret of these tests alone",
    } | changes


@pytest.fixture
async def service(inference_database_url: str, peer: VastPeer, tmp_path: Any) -> AsyncGenerator[httpx.AsyncClient]:
    app = build_app(environment(inference_database_url, tmp_path, **fleet_environment(peer.url)))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client,
    ):
        yield client


async def call(service: httpx.AsyncClient, path: str) -> int:
    return (await service.post(path, headers=callback_headers(URL), json={})).status_code


async def test_a_sweep_looks_at_the_fleet(service: httpx.AsyncClient, peer: VastPeer, books: Any) -> None:
    peer.offer(0.3)
    await books.queue(3)
    assert await call(service, "/internal/sweep") == 204
    assert peer.labels() == [(await books.host())["label"]]


async def test_a_sweep_does_not_fail_with_the_provider(service: httpx.AsyncClient, peer: VastPeer, books: Any) -> None:
    peer.faults = [Fault("list", status=403)]
    assert await call(service, "/internal/sweep") == 204


async def test_a_submitted_job_does_not_wait_for_the_sweep(
    service: httpx.AsyncClient, peer: VastPeer, books: Any
) -> None:
    peer.offer(0.3)
    await books.queue(3)
    assert await call(service, "/internal/push/job.submitted") == 204
    assert len(peer.hosts) == 1
    calls = len(peer.calls)
    assert await call(service, "/internal/push/job.submitted") == 204
    assert len(peer.calls) == calls, "looked at a moment ago"


async def test_the_token_of_a_host_is_all_that_its_worker_needs(
    service: httpx.AsyncClient, peer: VastPeer, books: Any
) -> None:
    peer.offer(0.3)
    await books.queue(3)
    await call(service, "/internal/sweep")
    env = dict(next(iter(peer.hosts.values()))["extra_env"])
    worker = {"worker_id": env["MARU_WORKER_NAME"]}
    bearer = {"authorization": f"Bearer {env['MARU_WORKER_TOKEN']}"}

    async def ask(path: str, **more: Any) -> httpx.Response:
        return await service.post(f"/api/v1/worker/{path}", headers=bearer, json=worker | more)

    able = {"runners": ["diffusers"], "gpu_memory_gib": 23.6}
    assert (await ask("register", capabilities=able)).status_code == 200
    [task] = (await ask("next-task")).json()["tasks"]
    await call(service, "/internal/sweep")
    assert (await books.host())["status"] == "running"

    await books.later(86_000)
    await call(service, "/internal/sweep")
    assert (await books.host())["status"] == "stopping"
    assert (await ask("register", capabilities=able)).status_code == 200
    await call(service, "/internal/sweep")
    drained = await ask("next-task")
    assert drained.status_code == 204 or (drained.json()["tasks"], drained.json()["drain"]) == ([], True)
    done = {"task_id": task["task_id"], "attempt": task["attempt"], "status": "done"}
    assert (await service.post("/api/v1/worker/report", headers=bearer, json=done)).status_code == 200
    await books.later(60)
    await call(service, "/internal/sweep")
    assert peer.hosts == {}
    assert (await ask("next-task")).json()["code"] == "worker_token_revoked"


async def test_only_our_own_callbacks_are_heard(service: httpx.AsyncClient, peer: VastPeer) -> None:
    assert (await service.post("/internal/push/job.submitted")).status_code == 401
    assert peer.calls == []


async def test_without_a_fleet_the_news_is_taken_all_the_same(inference_database_url: str, tmp_path: Any) -> None:
    app = build_app(environment(inference_database_url, tmp_path))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        assert await call(client, "/internal/push/job.submitted") == 204


def test_a_fleet_that_is_told_nonsense_does_not_start(tmp_path: Any) -> None:
    with pytest.raises(SettingMissing, match="MARU_FLEET_MAX_PRICE"):
        build_app(
            environment("postgresql:///maru", tmp_path, **fleet_environment("https://v", MARU_FLEET_MAX_PRICE="low"))
        )
