"""PGQueuer doing tasks that do nothing: `python pgqueuer_postgres.py DATABASE_URL TASKS BATCH` in the peers' own environment."""

from __future__ import annotations

import json
import logging
import sys
import time

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from pgqueuer.queries import Queries
from pgqueuer.types import QueueExecutionMode

_AT_ONCE = 1000


async def main(url: str, tasks: int, batch: int) -> float:
    """Tasks a second of a worker that ends when nothing is left."""
    done = 0
    async with asyncpg.create_pool(url, min_size=4, max_size=16) as pool:
        queuer = PgQueuer.from_asyncpg_pool(pool)
        queries = queuer.queries
        assert isinstance(queries, Queries)
        if not await queries.schema_is_installed():
            await queries.install()
        for start in range(0, tasks, _AT_ONCE):
            number = min(_AT_ONCE, tasks - start)
            await queries.enqueue(["nothing"] * number, [None] * number, [0] * number)

        @queuer.entrypoint("nothing")
        async def nothing(_: Job) -> None:
            nonlocal done
            done += 1

        started = time.perf_counter()
        await queuer.qm.run(batch_size=batch, mode=QueueExecutionMode.drain)
        elapsed = time.perf_counter() - started
    if done != tasks:
        raise RuntimeError(f"PGQueuer did {done} of {tasks}")
    return tasks / elapsed


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps({"per_second": uvloop.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))}))
