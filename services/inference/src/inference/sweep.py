"""What is put in order each minute. Nothing waits for it: claims rescue and reports fold by themselves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.http import rate_store

from inference import queue, workers_store

if TYPE_CHECKING:
    from shared.db import Database
    from shared.outbox import Relay

    from inference.dispatch.folding import JobFolder
    from inference.fleet.reconcile import Fleet
    from inference.rescue import Rescuer

_AT_ONCE = 500

log = logging.getLogger(__name__)


class Sweep:
    """Frees what is stuck, folds what a process left that ended, forgets what is old, looks at the rented hosts."""

    def __init__(
        self, database: Database, relay: Relay, rescuer: Rescuer, folder: JobFolder, fleet: Fleet | None = None
    ) -> None:
        self._database = database
        self._relay = relay
        self._rescuer = rescuer
        self._folder = folder
        self._fleet = fleet

    async def run(self) -> None:
        """Tidy up; a second call at once finds nothing left to do."""
        await self._relay.drain()
        await self._rescuer.now(certainly=True)
        async with self._database.service_tx() as connection:
            await rate_store.forget_idle(connection)
            await workers_store.forget_old(connection)
        async with self._database.dispatch_tx() as connection:
            await queue.push_turns(connection)
            unfolded = await queue.unfolded(connection, _AT_ONCE)
        self._folder.touch(unfolded)
        await self._folder.settled()
        # Last, since the provider may keep us waiting.
        if self._fleet is not None:
            await self._fleet.look()
