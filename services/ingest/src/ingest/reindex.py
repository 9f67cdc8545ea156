"""Rebuilds the vector index from Postgres: after it was lost, or for another tokeniser or embedding model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from ingest import sweep_store
from ingest.refreshing import refresh_later

if TYPE_CHECKING:
    from shared.db import Database
    from shared.outbox import Relay

_PAGE = 200


async def run(database: Database, relay: Relay, *, run_id: str, report: Callable[[int], None] = lambda _: None) -> int:
    """Promise that every indexed entry's points are made anew, and tell how many that is.

    Entries stay as they are and can be searched all the while. `run_id` makes repeating a run that was interrupted harmless.
    """
    count, last = 0, UUID(int=0)
    while True:
        async with database.service_tx() as connection:
            page = await sweep_store.after(connection, last, _PAGE)
        for entry in page:
            async with database.space_tx(entry["space_id"]) as connection:
                name = f"{run_id}/{entry['id']}"
                await refresh_later(connection, entry["id"], entry["space_id"], vectors=True, name=name)
        if not page:
            return count
        await relay.after_commit()
        count, last = count + len(page), page[-1]["id"]
        report(count)
