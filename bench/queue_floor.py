"""The bare loop: the statements with which tasks are claimed and reported, over connections of its own, with no service around them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from shared.studio import worker_tokens

from bench.backlog import RUNNER

_LEASE_S = 60.0
_CLAIM = "SELECT claim_tasks($1, $2, $3, $4, $5, $6, $7, false)"
_REPORT = "SELECT report_tasks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 2)"


def bare_loop(database_url: str, token: str, connections: int, batch: int, seconds: float) -> float:
    """Tasks claimed and reported a second, `batch` at a time; there must be more than can be done."""
    return uvloop.run(_together(database_url, token, connections, batch, seconds))


async def _together(database_url: str, token: str, connections: int, batch: int, seconds: float) -> float:
    opened = [await asyncpg.connect(database_url) for _ in range(connections)]
    loops = [await _Loop.open(connection, token, batch) for connection in opened]
    started = time.perf_counter()
    done = await asyncio.gather(*(loop.run(started + seconds) for loop in loops))
    elapsed = time.perf_counter() - started
    for connection in opened:
        await connection.close()
    return sum(done) / elapsed


class _Loop:
    def __init__(self, connection: asyncpg.Connection[Any], token: tuple[str, bytes], batch: int) -> None:
        self._connection, self._token, self._batch = connection, token, batch

    @classmethod
    async def open(cls, connection: asyncpg.Connection[Any], token: str, batch: int) -> _Loop:
        """Enrol a worker and find the queue."""
        parsed = worker_tokens.parse(token)
        assert parsed is not None
        loop = cls(connection, parsed, batch)
        enrolled = await connection.fetchval(
            "SELECT enrol_worker($1, $2, $3, $4, '{}', NULL, true)", *parsed, uuid4(), f"bare-{uuid4()}"
        )
        loop._worker = enrolled[1]
        loop._queues = [await connection.fetchval("SELECT id FROM task_queues WHERE runner = $1", RUNNER)]
        return loop

    async def run(self, until: float) -> int:
        """How many were accepted."""
        done = 0
        while time.perf_counter() < until:
            tasks = await self._claim()
            ids = sorted(task["task_id"] for task in tasks)
            attempts = {task["task_id"]: task["attempt"] for task in tasks}
            size = len(ids)
            nothing = [None] * size
            answer = await self._connection.fetchval(
                _REPORT,
                *self._token,
                ids,
                [attempts[one] for one in ids],
                [True] * size,
                [True] * size,
                *(nothing,) * 4,
            )
            done += answer[1 : size + 1].count("done")
        return done

    async def _claim(self) -> list[dict[str, Any]]:
        answer = await self._connection.fetchval(
            _CLAIM, *self._token, self._worker, uuid4(), self._queues, self._batch, _LEASE_S
        )
        return json.loads(answer[1])["tasks"]
