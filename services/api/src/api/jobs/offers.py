"""What can be run, who is there to run it, and how long it may take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from shared.contracts.dispatch import Capabilities
from shared.contracts.runners import RUNNERS
from shared.contracts.studio import Requirements
from shared.studio.matching import can_run

from api.jobs import access, fleet_store
from api.jobs.params import check_params, requirements
from api.jobs.schemas import Estimate, EstimateRequest, RunnerDescription, Runners, RunnerWorkers, WorkersSummary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.db import Database, Principal, Record

# An idle worker asks at least once a minute; one at work is heard at a third of its lease.
_SILENT_S = 90.0


@dataclass(frozen=True, slots=True)
class ReadyWorker:
    """A worker that takes tasks; `runners` limits them where its token does."""

    id: UUID
    capabilities: Capabilities
    runners: frozenset[str] | None

    @property
    def offered(self) -> frozenset[str]:
        """The runners it names and may work for; none for one that takes every task."""
        named = frozenset(offer.name for offer in self.capabilities.runners)
        if self.runners is None:
            return named
        return named & self.runners if named else self.runners

    @property
    def takes_all(self) -> bool:
        """Whether neither the worker nor its token names a runner."""
        return not self.capabilities.runners and self.runners is None

    def can_run(self, runner: str, requires: Requirements) -> bool:
        """Whether it would be given such a task."""
        return (self.runners is None or runner in self.runners) and can_run(self.capabilities, runner, requires)


@dataclass(frozen=True, slots=True)
class OffersService:
    """Counts and sums that tell nothing of anybody. A worker that works for other people's spaces alone is not counted."""

    database: Database
    lease_s: float

    async def runners(self, principal: Principal) -> Runners:
        """Every runner that comes with Maru, then those that workers have brought."""
        ready = await self._ready(await self._spaces(principal))
        brought = frozenset[str]().union(*(worker.offered for worker in ready)) - RUNNERS.keys()
        return Runners(runners=[_described(name, ready) for name in (*RUNNERS, *sorted(brought))])

    async def summary(self, principal: Principal) -> WorkersSummary:
        """How many workers there are and how many of them are at work."""
        ready = await self._ready(await self._spaces(principal))
        async with self.database.service_tx() as connection:
            busy = await fleet_store.busy_workers(connection)
        offered = Counter(name for worker in ready for name in worker.offered)
        return WorkersSummary(
            online=len(ready),
            busy=sum(worker.id in busy for worker in ready),
            any_runner=sum(worker.takes_all for worker in ready),
            by_runner=[RunnerWorkers(runner=name, online=offered[name]) for name in sorted(offered)],
        )

    async def estimate(self, principal: Principal, asked: EstimateRequest) -> Estimate:
        """From what the same runner took before, on the GPUs that would be used now if it ran there."""
        if asked.params is not None:
            check_params(asked.runner, asked.params)
        async with self.database.tenant_tx(principal) as connection:
            space_id = await access.readable_space(connection, asked.space_id)
        requires = requirements(asked.runner, asked.requires, asked.params or {})
        able = [one for one in await self._ready([space_id]) if one.can_run(asked.runner, requires)]
        async with self.database.service_tx() as connection:
            times = await fleet_store.times(connection, asked.runner)
        return _estimated(asked.count, able, times)

    async def _spaces(self, principal: Principal) -> list[UUID]:
        async with self.database.tenant_tx(principal) as connection:
            return await fleet_store.my_spaces(connection)

    async def _ready(self, spaces: list[UUID]) -> list[ReadyWorker]:
        async with self.database.service_tx() as connection:
            rows = await fleet_store.ready_workers(connection, spaces, max(_SILENT_S, self.lease_s))
        return [_worker(row) for row in rows]


def _worker(row: Record) -> ReadyWorker:
    runners = None if row["runners"] is None else frozenset(row["runners"])
    return ReadyWorker(row["id"], Capabilities.model_validate(row["capabilities"]), runners)


def _described(name: str, ready: Sequence[ReadyWorker]) -> RunnerDescription:
    params = RUNNERS.get(name)
    return RunnerDescription(
        name=name,
        description=None if params is None else (params.__doc__ or "").strip(),
        params_schema=None if params is None else params.model_json_schema(),
        workers_online=sum(worker.can_run(name, Requirements()) for worker in ready),
    )


def _estimated(count: int, able: Sequence[ReadyWorker], times: Sequence[Record]) -> Estimate:
    gpus = {worker.capabilities.gpu_name or "" for worker in able}
    same = [row for row in times if row["gpu_name"] in gpus]
    known = same or times
    tasks = sum(row["tasks"] for row in known)
    basis: Literal["same_gpu", "any_gpu", "nothing"] = "same_gpu" if same else "any_gpu" if known else "nothing"
    if not tasks:
        return Estimate(
            seconds=None, run_s=None, cost_micros=None, workers_online=len(able), basis=basis, tasks_measured=0
        )
    each_s = sum(row["run_ms"] for row in known) / tasks / 1000
    rounds = -(-count // max(1, len(able)))
    return Estimate(
        seconds=each_s * rounds,
        run_s=each_s * count,
        cost_micros=round(sum(row["cost_micros"] for row in known) / tasks * count),
        workers_online=len(able),
        basis=basis,
        tasks_measured=tasks,
    )
