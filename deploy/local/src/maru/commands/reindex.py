"""`maru reindex`: rebuild the vectors of everything from Postgres, while search goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from maru.errors import CannotStart
from maru.home import Home


def reindex(env: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Promise new vectors for every entry to the running Maru; how many entries that are."""
    from shared.settings import maru_home

    home = Home(maru_home(env))
    if home.owner() is None and not env.get("DATABASE_URL"):
        raise CannotStart(
            "Maru does not run, and only a running one can index: start it with `maru up`, then run this again."
        )
    return asyncio.run(_reindex(home, env, say))


async def _reindex(home: Home, env: Mapping[str, str], say: Callable[[str], None]) -> int:
    from ingest import reindex as ingest_reindex
    from shared.db import Database
    from shared.outbox import NotifyRelay

    from maru.commands.database import database_of

    with database_of(home, env) as dsn_of:
        database = Database(dsn_of("maru_ingest"), max_size=2)
        try:
            relay = NotifyRelay(database)
            count = await ingest_reindex.run(
                database, relay, run_id=f"reindex-{time.time_ns()}", report=lambda done: say(f"{done} entries …")
            )
            await asyncio.sleep(0.05)  # the wake-up is debounced
        finally:
            await database.close()
    return count
