"""Workers whose work is nothing: what remains is claiming and reporting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from shared.testing.worker_client import WorkerClient

from bench.backlog import RUNNER

# Given a client, a worker's name and the end of the measurement; how many reports were accepted.
Loop = Callable[[WorkerClient, str, float], Awaitable[int]]

_CAPABILITIES: dict[str, Any] = {"runners": [RUNNER]}


def tasks_per_second(url: str, token: str, workers: int, loop: Loop, seconds: float) -> float:
    """How many tasks so many workers got accepted a second; there must be more than they can do."""
    return uvloop.run(_together(url, token, workers, loop, seconds))


async def one_at_a_time(client: WorkerClient, worker_id: str, until: float) -> int:
    """Claim one, report it, and again: two calls a task."""
    done = 0
    while time.perf_counter() < until:
        tasks = await _claim(client, worker_id, 1)
        answer = await client.call("report", _report(tasks[0]))
        done += answer.status == 200
    return done


def exchanging(batch: int) -> Loop:
    """Report what was claimed last and claim the next in the same call."""

    async def loop(client: WorkerClient, worker_id: str, until: float) -> int:
        done, tasks = 0, await _claim(client, worker_id, batch)
        while tasks:
            body: dict[str, Any] = {"reports": [_report(task) for task in tasks]}
            if time.perf_counter() < until:
                body["next"] = _next(worker_id, batch)
            answer = await client.call("exchange", body)
            done += sum(outcome["status"] == "done" for outcome in answer.body["reports"])
            tasks = answer.body["tasks"]
        return done

    return loop


async def _together(url: str, token: str, workers: int, loop: Loop, seconds: float) -> float:
    clients = [WorkerClient(url, token) for _ in range(workers)]
    for number, client in enumerate(clients):
        await client.call("register", {"worker_id": f"bench-{number}", "capabilities": _CAPABILITIES})
    started = time.perf_counter()
    done = await asyncio.gather(
        *(loop(client, f"bench-{number}", started + seconds) for number, client in enumerate(clients))
    )
    elapsed = time.perf_counter() - started
    for client in clients:
        client.hang_up()
    return sum(done) / elapsed


async def _claim(client: WorkerClient, worker_id: str, batch: int) -> list[dict[str, Any]]:
    answer = await client.call("next-task", _next(worker_id, batch))
    return answer.body["tasks"] if answer.status == 200 else []


def _next(worker_id: str, batch: int) -> dict[str, Any]:
    return {"worker_id": worker_id, "max_tasks": batch}


def _report(task: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": task["task_id"], "attempt": task["attempt"], "status": "done"}
