"""What is to be put right each minute: entries whose work has stood still."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.outbox import enqueue_task

from ingest import sweep_store

if TYPE_CHECKING:
    from shared.db import Database, Record
    from shared.outbox import Relay

# Long enough that neither a queue with some work before it nor a slow step, which gives signs of life, is mistaken for a dead one.
_IDLE_S = 180
_AT_ONCE = 200

log = logging.getLogger(__name__)


class Sweep:
    """Finds what fell through: a task that was lost or given up, a process that died, a dependency that is back."""

    def __init__(self, database: Database, relay: Relay) -> None:
        self._database = database
        self._relay = relay

    async def run(self) -> int:
        """Publish what is left over, take stalled entries up again, and tell how many those were."""
        await self._relay.drain()
        async with self._database.service_tx() as connection:
            stalled = await sweep_store.stalled(connection, _IDLE_S, _AT_ONCE)
            await sweep_store.forget_handled(connection)
        for entry in stalled:
            await self._take_up(entry)
        if stalled:
            log.warning("took up %d entries that had stood still", len(stalled))
            await self._relay.after_commit()
        return len(stalled)

    async def _take_up(self, entry: Record) -> None:
        body = {"entry_id": entry["id"], "version": entry["version"], "space_id": entry["space_id"]}
        async with self._database.space_tx(entry["space_id"]) as connection:
            if entry["failed"] and not await sweep_store.restart(connection, entry["id"]):
                return
            # The epoch in the name: two sweeps at once promise one call, and the next attempt has a name of its own.
            minute = await sweep_store.five_minutes(connection)
            name = f"{entry['id']}/{entry['version']}/{entry['epoch']}/{minute}"
            await enqueue_task(connection, "index-entry", name, body)
