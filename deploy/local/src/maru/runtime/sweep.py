"""The minute's sweep: what Cloud Scheduler calls in the cloud."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maru.deliverer.caller import Caller
    from maru.deliverer.tokens import TokenSigner

log = logging.getLogger(__name__)

_EVERY_S = 60.0
_DEADLINE_S = 50.0
_NOTHING_TO_SWEEP = 404


class Sweeper:
    """Calls `/internal/sweep` of every service, at the start and then each minute."""

    def __init__(self, services: Mapping[str, str], caller: Caller, signer: TokenSigner) -> None:
        self._services = services
        self._caller = caller
        self._signer = signer
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin; the first sweep finds what an earlier process left unfinished."""
        self._task = asyncio.create_task(self._run(), name="sweep")

    async def stop(self) -> None:
        """End, also in the middle of a sweep: every job of it can be repeated."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1)
        await self._caller.close()

    async def _run(self) -> None:
        while True:
            await asyncio.gather(*(self._sweep(service, base) for service, base in self._services.items()))
            await asyncio.sleep(_EVERY_S)

    async def _sweep(self, service: str, base: str) -> None:
        headers = {"authorization": self._signer.bearer(base), "content-type": "application/json"}
        answer = await self._caller.post(f"{base}/internal/sweep", b"{}", headers, _DEADLINE_S)
        if not 200 <= answer.status < 300 and answer.status != _NOTHING_TO_SWEEP:
            log.warning("the sweep of %s answered %s: %s", service, answer.status, answer.text[:300])
