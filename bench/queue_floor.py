"""The bare loop: the dispatcher's own statements over a pool of connections, with no service around them."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID, uuid4

import uvloop
from inference import queue, workers_store
from inference.queue import ClaimRequest, Credentials, VerifiedReport
from shared.db import Database
from shared.studio import worker_tokens

from bench.backlog import RUNNER

_LEASE_S = 60.0
_BACKOFF_S = 2.0


def bare_loop(database_url: str, token: str, connections: int, batch: int, seconds: float) -> float:
    """Tasks claimed and reported a second, `batch` at a time; there must be more than can be done."""
    return uvloop.run(_together(database_url, token, connections, batch, seconds))


async def _together(database_url: str, token: str, connections: int, batch: int, seconds: float) -> float:
    parsed = worker_tokens.parse(token)
    assert parsed is not None
    credentials, database = Credentials(*parsed), Database(database_url, max_size=connections)
    async with database.dispatch_tx() as connection:
        queues = [found.id for found in await queue.ready_queues(connection, 1) if found.runner == RUNNER]
    workers = [await workers_store.enrol(database, credentials, f"bare-{uuid4()}", None) for _ in range(connections)]
    requests = [ClaimRequest(worker.id, uuid4(), queues, batch, _LEASE_S) for worker in workers]
    started = time.perf_counter()
    done = await asyncio.gather(*(_loop(database, credentials, request, started + seconds) for request in requests))
    elapsed = time.perf_counter() - started
    await database.close()
    return sum(done) / elapsed


async def _loop(database: Database, credentials: Credentials, request: ClaimRequest, until: float) -> int:
    """How many were accepted."""
    done = 0
    while time.perf_counter() < until:
        claimed = await queue.claim(database, credentials, request)
        tasks = sorted(json.loads(claimed.document)["tasks"], key=lambda task: task["task_id"])
        reports = [_done(UUID(task["task_id"]), task["attempt"]) for task in tasks]
        reported = await queue.report(database, credentials, reports, _BACKOFF_S)
        done += reported.outcomes.count("done")
    return done


def _done(task_id: UUID, attempt: int) -> VerifiedReport:
    return VerifiedReport(
        task_id,
        attempt,
        done=True,
        retryable=True,
        checked=True,
        output_key=None,
        error=None,
        metrics=None,
        run_ms=None,
    )
