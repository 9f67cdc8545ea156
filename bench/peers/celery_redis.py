"""Celery and Redis doing tasks that do nothing: `python celery_redis.py REDIS_URL TASKS` in the peers' own environment.

Redis keeps nothing on disk. A task is acknowledged after it was done, as ours are reported; what it returned is not kept.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import redis
from celery import Celery

# Two processes were the fastest of its pools on two cores.
_OPTIONS = (
    *("--pool", "prefork", "--concurrency", "2", "--loglevel", "ERROR"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)
_QUEUE, _UNACKNOWLEDGED = "celery", "unacked"

app = Celery(
    "bench",
    broker=sys.argv[1] if __name__ == "__main__" else None,
    set_as_current=True,
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="nothing")
def nothing() -> None:
    """A task."""


def main(url: str, tasks: int) -> float:
    """Tasks a second, from the first tenth to the last: the worker's start is not its pace."""
    server = redis.Redis.from_url(url)
    server.flushall()
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(tasks):
            nothing.apply_async(producer=producer)
    assert server.llen(_QUEUE) == tasks
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "celery_redis", "-b", url, "worker", *_OPTIONS],
        stdout=subprocess.DEVNULL,
    )
    try:
        _until(lambda: server.llen(_QUEUE) + server.hlen(_UNACKNOWLEDGED) <= tasks * 0.9)
        started, left = time.perf_counter(), server.llen(_QUEUE) + server.hlen(_UNACKNOWLEDGED)
        _until(lambda: server.llen(_QUEUE) + server.hlen(_UNACKNOWLEDGED) == 0)
        return float(left / (time.perf_counter() - started))
    finally:
        worker.terminate()
        worker.wait(20)


def _until(reached: Callable[[], bool], within_s: float = 120) -> None:
    deadline = time.perf_counter() + within_s
    while not reached():
        if time.perf_counter() > deadline:
            raise TimeoutError("Celery does not finish")
        time.sleep(0.01)


if __name__ == "__main__":
    print(json.dumps({"per_second": main(sys.argv[1], int(sys.argv[2]))}))
