"""Workers that were heard of lately, so that a claim need not look up who asks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference import workers_store

if TYPE_CHECKING:
    from shared.contracts.dispatch import Capabilities
    from shared.db import Database

    from inference.queue import Credentials
    from inference.workers_store import Worker

_KNOWN_S = 5.0
_MOST = 10_000


@dataclass(slots=True)
class _Known:
    worker: Worker
    told: Capabilities | None
    until: float


class Roster:
    """Remembers for a few seconds who a worker is; whether its token still holds, the claim itself asks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, str], _Known] = {}

    async def find(self, credentials: Credentials, worker_id: str, capabilities: Capabilities | None) -> Worker:
        """The worker of this name, made known if it is new; capabilities that it tells replace those it told before."""
        known = self._known.get((credentials.token_id, worker_id))
        if known and known.until > time.monotonic() and (capabilities is None or capabilities == known.told):
            return known.worker
        worker = await workers_store.enrol(self._database, credentials, worker_id, capabilities)
        self._remember(credentials, worker_id, worker, capabilities)
        return worker

    async def register(
        self, credentials: Credentials, worker_id: str, capabilities: Capabilities, version: str | None
    ) -> Worker:
        """Let a worker begin, also after it had drained."""
        worker = await workers_store.enrol(self._database, credentials, worker_id, capabilities, version, register=True)
        self._remember(credentials, worker_id, worker, capabilities)
        return worker

    async def drain(self, credentials: Credentials, worker_id: str) -> None:
        """Give this worker nothing more until it registers again."""
        await workers_store.drain(self._database, credentials, worker_id)
        self.forget(credentials, worker_id)

    def forget(self, credentials: Credentials, worker_id: str) -> None:
        """Look this worker up again."""
        self._known.pop((credentials.token_id, worker_id), None)

    def _remember(
        self, credentials: Credentials, worker_id: str, worker: Worker, capabilities: Capabilities | None
    ) -> None:
        if len(self._known) >= _MOST:
            self._known.clear()
        key = (credentials.token_id, worker_id)
        told = capabilities if capabilities is not None else worker.capabilities
        self._known[key] = _Known(worker, told, time.monotonic() + _KNOWN_S)
