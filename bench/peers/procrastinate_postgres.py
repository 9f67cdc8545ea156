"""procrastinate doing tasks that do nothing: `python procrastinate_postgres.py DATABASE_URL TASKS` in the peers' own environment."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

import procrastinate

_CONCURRENCY = 20


async def main(url: str, tasks: int) -> float:
    """Tasks a second of a worker that ends when it has caught up."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=_CONCURRENCY))
    done = 0

    @app.task(name="nothing")
    async def nothing() -> None:
        nonlocal done
        done += 1

    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await nothing.batch_defer_async(*({} for _ in range(tasks)))
        started = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=_CONCURRENCY, install_signal_handlers=False)
        elapsed = time.perf_counter() - started
    if done != tasks:
        raise RuntimeError(f"procrastinate did {done} of {tasks}")
    return tasks / elapsed


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps({"per_second": asyncio.run(main(sys.argv[1], int(sys.argv[2])))}))
