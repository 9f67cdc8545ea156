"""Memory of the gateway and the dispatcher while ten thousand tasks run, and while an archive of two gigabytes is downloaded."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import uvloop
from shared.settings import StorageSettings
from shared.storage import open_storage
from shared.storage.keys import output_key

from bench.backlog import RUNNER, Backlog
from bench.figure import Figure
from bench.ground import Ground, ground
from bench.people import Somebody, somebody
from bench.processes import Running, running
from bench.queue_load import exchanging, tasks_per_second

_TASKS, _WARMING = 10_000, 1_000
_FILES, _FILE_MIB = 64, 32
_MIB = 1024 * 1024
_GOAL_MIB = 20


def measure() -> list[Figure]:
    """Each service has been used before it is weighed, so that what is seen is growth and not the loading of code."""
    with ground() as base:
        shared = {**base.variables("api"), "MARU_HOME": base.home}
        urls = base.urls
        with (
            running("api", {**shared, "DATABASE_URL": urls.api}) as api,
            running("inference", {**shared, "DATABASE_URL": urls.inference}) as inference,
            somebody(api.url) as person,
        ):
            token = Backlog(urls.superuser).token()
            figures = _while_tasks_run(person, api, inference, token)
            job = _job_with_results(base, shared, person)
            return [*figures, _while_downloading(person, api, job)]


def _while_tasks_run(person: Somebody, api: Running, inference: Running, token: str) -> list[Figure]:
    _work(person, inference, token, _WARMING)
    with _growth(api) as of_api, _growth(inference) as of_inference:
        _work(person, inference, token, _TASKS)
    return [
        _figure(f"api memory while {_TASKS:,} tasks run", of_api),
        _figure(f"inference memory while {_TASKS:,} tasks run", of_inference),
    ]


def _work(person: Somebody, inference: Running, token: str, tasks: int) -> None:
    job = _job(person, tasks)
    while (counts := person.get(f"/api/v1/jobs/{job}")["counts"])["done"] < tasks:
        if counts["queued"]:
            tasks_per_second(inference.url, token, 8, exchanging(10), 1.0)


def _while_downloading(person: Somebody, api: Running, job: str) -> Figure:
    path = f"/api/v1/jobs/{job}/results.zip"
    received, started = 0, time.perf_counter()
    with _growth(api) as growth, person.http.stream("GET", path) as answer:
        answer.raise_for_status()
        for piece in answer.iter_raw():
            received += len(piece)
    assert received > _FILES * _FILE_MIB * _MIB
    note = f"{received / _MIB / (time.perf_counter() - started):.0f} MiB/s"
    return _figure(f"api memory while {received / 2**30:.1f} GiB of results leave", growth, note)


def _job_with_results(base: Ground, env: dict[str, str], person: Somebody) -> str:
    """Tasks that are done, each with a file; one file on disk under many names, since a copy in the folder is a link."""
    job = _job(person, _FILES)
    space = person.get("/api/v1/me")["personal_space_id"]
    tasks = person.get(f"/api/v1/jobs/{job}/tasks?page_size=500")["tasks"]
    keys = [output_key(UUID(space), UUID(job), UUID(task["id"]), 1) for task in tasks]
    uvloop.run(_store(env, keys))
    with psycopg.connect(base.urls.superuser, autocommit=True) as owner:
        for task, key in zip(tasks, keys, strict=True):
            owner.execute(
                """UPDATE maru.tasks SET status = 'done', finished_at = now(), attempt = 1, output_key = %s, output_type = 'video/mp4',
                    output_name = 'result.mp4', output_size = %s WHERE id = %s""",
                (key, _FILE_MIB * _MIB, task["id"]),
            )
    return job


async def _store(env: dict[str, str], keys: list[str]) -> None:
    storage = open_storage(StorageSettings.from_env(env))
    await storage.put(keys[0], _pieces(), "video/mp4")
    for key in keys[1:]:
        await storage.copy(keys[0], key)
    await storage.close()


async def _pieces() -> AsyncIterator[bytes]:
    for _ in range(_FILE_MIB):
        yield os.urandom(_MIB)


def _job(person: Somebody, tasks: int) -> str:
    job: dict[str, Any] = person.post("/api/v1/jobs", {"name": "bench", "runner": RUNNER})
    person.post(f"/api/v1/jobs/{job['id']}/enqueue", {"count": tasks})
    return str(job["id"])


class _Growth:
    mib = 0.0


@contextmanager
def _growth(service: Running) -> Generator[_Growth]:
    """How far the peak during the block lies above what was used before it."""
    process = Path(f"/proc/{service.process.pid}")
    (process / "clear_refs").write_text("5")
    before, growth = service.resident_mib(), _Growth()
    yield growth
    peak = int((process / "status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    growth.mib = peak - before


def _figure(name: str, growth: _Growth, note: str = "") -> Figure:
    return Figure(name, growth.mib, "MiB", f"+ ≤ {_GOAL_MIB} MiB", growth.mib <= _GOAL_MIB, note=note)
