"""Who works and what waits: workers, queues, hosts. Numbers and ids of everybody's work, and nothing that anybody wrote."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from shared.contracts.dispatch import Capabilities
from shared.contracts.studio import Requirements
from shared.studio.matching import can_run

from api.workers import fleet_store
from api.workers.errors import WorkerNotFound
from api.workers.schemas import Host, HostList, Queue, QueueList, TaskInHand, Worker, WorkerList

if TYPE_CHECKING:
    from shared.db import Database, Principal, Record

_LISTED = 500
_NAMED_OF_EACH = 20
# An idle worker asks at least once a minute; one at work is heard at a third of its lease.
_SILENT_S = 90.0


@dataclass(frozen=True, slots=True)
class FleetService:
    """What administrators watch. The database gives the numbers of other people's work only to an administrator."""

    database: Database
    lease_s: float

    async def workers(self, admin: Principal) -> WorkerList:
        """Workers with what they hold, those seen last first."""
        rows = await self._known()
        async with self.database.tenant_tx(admin) as connection:
            in_hand = await fleet_store.in_hand(connection, _NAMED_OF_EACH)
        held: dict[UUID, int] = {row["worker_id"]: row["held"] for row in in_hand}
        named: dict[UUID, list[TaskInHand]] = defaultdict(list)
        for row in in_hand:
            named[row["worker_id"]].append(TaskInHand(**row))
        return WorkerList(workers=[_worker(row, held.get(row["id"], 0), named[row["id"]]) for row in rows])

    async def drain(self, worker_id: UUID) -> None:
        """Let a worker finish what it holds and end; a second call changes nothing."""
        async with self.database.service_tx() as connection:
            if not await fleet_store.drain(connection, worker_id):
                raise WorkerNotFound

    async def queues(self, admin: Principal) -> QueueList:
        """Queues that hold anything, with how many workers could serve each."""
        ready = [Capabilities.model_validate(row["capabilities"]) for row in await self._known() if _ready(row)]
        async with self.database.tenant_tx(admin) as connection:
            rows = await fleet_store.queues(connection)
        return QueueList(queues=[Queue(**row, workers=_able(ready, row)) for row in rows])

    async def hosts(self) -> HostList:
        """Rented machines, the newest first."""
        async with self.database.service_tx() as connection:
            rows = await fleet_store.hosts(connection, _LISTED)
        return HostList(hosts=[Host(**row) for row in rows])

    async def _known(self) -> list[Record]:
        async with self.database.service_tx() as connection:
            return await fleet_store.workers(connection, max(_SILENT_S, self.lease_s), _LISTED)


def _worker(row: Record, processing: int, tasks: list[TaskInHand]) -> Worker:
    fields: dict[str, Any] = dict(row)
    return Worker(**fields, status=_status(row, processing), processing=processing, tasks=tasks)


def _status(row: Record, processing: int) -> Literal["idle", "busy", "draining", "offline"]:
    if not row["online"]:
        return "offline"
    if row["draining"]:
        return "draining"
    return "busy" if processing else "idle"


def _ready(row: Record) -> bool:
    return bool(row["online"] and not row["draining"])


def _able(ready: list[Capabilities], queue: Record) -> int:
    requires = Requirements.model_validate(queue["requires"])
    return sum(can_run(capabilities, queue["runner"], requires) for capabilities in ready)
