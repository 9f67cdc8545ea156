"""The dispatcher of one process, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from inference.dispatch.board import QueueBoard
from inference.dispatch.claiming import Claims
from inference.dispatch.folding import JobFolder
from inference.dispatch.outputs import Outputs
from inference.dispatch.presigning import Addresses
from inference.dispatch.reporting import Reports
from inference.dispatch.roster import Roster
from inference.dispatch.waiting import WaitingRoom
from inference.rescue import Rescuer

if TYPE_CHECKING:
    from shared.contracts.dispatch import Exchange, Released
    from shared.db import Database
    from shared.errors import Problem
    from shared.outbox import Relay
    from shared.storage import ObjectStore
    from shared.streams import StreamHub

    from inference.dispatch.claiming import Gone
    from inference.queue import Claimed, Credentials
    from inference.settings import DispatchSettings


class Dispatch:
    """Everything that workers' routes use. `listens` says that the database can be listened to."""

    def __init__(
        self,
        database: Database,
        settings: DispatchSettings,
        storage: ObjectStore,
        hub: StreamHub,
        relay: Relay,
        *,
        listens: bool,
    ) -> None:
        self.settings = settings
        self.folder = JobFolder(database, hub, relay)
        self.rescuer = Rescuer(database, settings, self.folder.touch)
        self.roster = Roster(database)
        board = QueueBoard(database)
        self._waiting = WaitingRoom(database, board, self.rescuer, listens=listens)
        self.claims = Claims(database, settings, self.roster, board, self.rescuer, self._waiting, self.folder)
        self.addresses = Addresses(database, storage, settings.address_s, settings.parts)
        self.reports = Reports(database, settings, Outputs(database, storage), self.claims, self.folder)

    async def exchange(
        self, credentials: Credentials, exchange: Exchange, gone: Gone
    ) -> tuple[list[str | Problem], Claimed | None]:
        """Take reports and give the next tasks. A worker with nothing to report may wait for them; nobody's report waits."""
        if exchange.next is not None and not exchange.reports:
            return [], await self.claims.next(credentials, exchange.next, gone)
        return await self.reports.exchange(credentials, exchange.reports, exchange.next)

    async def release(self, credentials: Credentials, released: Released) -> list[UUID]:
        """Take tasks back and tell those who wait."""
        given_back = await self.reports.release(credentials, released)
        if given_back:
            self._waiting.nudge()
        return given_back

    async def close(self) -> None:
        """Stop what runs beside requests."""
        await self._waiting.close()
        await self.folder.close()
