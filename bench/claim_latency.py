"""How long a claim takes over HTTP: among a thousand tasks, and among a hundred thousand that wait and a million that are done."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import uvloop
from shared.testing.worker_client import WorkerClient

from bench.backlog import RUNNER, Backlog
from bench.figure import Figure, median, quantile
from bench.ground import ground
from bench.processes import running

_SMALL_QUEUED = 1_000
_LARGE_QUEUED, _LARGE_FINISHED = 100_000, 1_000_000
_ROUNDS, _CLAIMS, _WARMING = 8, 50, 30
_GOAL = 1.2


def measure() -> list[Figure]:
    """Two databases and two services side by side; rounds alternate, and each ratio is the median of neighbours in time."""
    with _filled(_SMALL_QUEUED, 0) as small, _filled(_LARGE_QUEUED, _LARGE_FINISHED) as large:
        pairs = uvloop.run(_rounds(small, large))
    return [_figure("p50", 0.5, pairs), _figure("p95", 0.95, pairs)]


Pairs = list[tuple[list[float], list[float]]]


@dataclass(frozen=True)
class _Filled:
    url: str
    token: str


@contextmanager
def _filled(queued: int, finished: int) -> Generator[_Filled]:
    with ground() as base, running("inference", base.variables("inference")) as service:
        backlog = Backlog(base.urls.superuser)
        if finished:
            backlog.finished(finished)
        backlog.queued(queued)
        backlog.tidy()
        yield _Filled(service.url, backlog.token())


async def _rounds(small: _Filled, large: _Filled) -> Pairs:
    clients = [WorkerClient(filled.url, filled.token) for filled in (small, large)]
    for client in clients:
        await client.call("register", {"worker_id": "bench", "capabilities": {"runners": [RUNNER]}})
        await _claims(client, _WARMING)
    return [(await _claims(clients[0], _CLAIMS), await _claims(clients[1], _CLAIMS)) for _ in range(_ROUNDS)]


async def _claims(client: WorkerClient, number: int) -> list[float]:
    """Milliseconds of each claim; what was claimed is reported between them."""
    times = []
    for _ in range(number):
        started = time.perf_counter()
        answer = await client.call("next-task", {"worker_id": "bench"})
        times.append((time.perf_counter() - started) * 1000)
        task = answer.body["tasks"][0]
        await client.call("report", {"task_id": task["task_id"], "attempt": task["attempt"], "status": "done"})
    return times


def _figure(which: str, share: float, pairs: Pairs) -> Figure:
    ratio = median([quantile(large, share) / quantile(small, share) for small, large in pairs])
    small, large = ([time for pair in pairs for time in pair[side]] for side in (0, 1))
    return Figure(
        f"claim over HTTP, {which}, {_LARGE_FINISHED:,} done + {_LARGE_QUEUED:,} queued",
        quantile(large, share),
        "ms",
        f"≤ {_GOAL} ×",
        ratio <= _GOAL,
        f"{_SMALL_QUEUED:,} tasks",
        quantile(small, share),
        ratio,
    )
