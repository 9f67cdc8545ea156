"""What is queued, who could do it, and how many hosts are missing for it; pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from shared.contracts.dispatch import Capabilities
from shared.contracts.studio import Requirements
from shared.studio.matching import can_run

from inference.fleet.hosts import Host
from inference.fleet.provider import Needs, fits

# One host is enough for what it does within this time.
CATCH_UP_S = 1_800.0
_UNKNOWN_TASK_S = 30.0


@dataclass(frozen=True, slots=True)
class Demand:
    """One queue: how much waits, how much is being done, since when, and how long a task takes where that is known."""

    queue_id: int
    runner: str
    requires: Requirements
    queued: int
    processing: int = 0
    oldest_wait_s: float = 0
    task_s: float | None = None

    @property
    def needs(self) -> Needs:
        """What a host for it must have."""
        return Needs(self.requires.gpu, self.requires.min_gpu_memory_gib or 0)

    @property
    def work_s(self) -> float:
        """Seconds of one machine; what is in hand is taken for half done."""
        return (self.queued + self.processing / 2) * (self.task_s or _UNKNOWN_TASK_S)


@dataclass(frozen=True, slots=True)
class OwnWorker:
    """A worker that nobody rented through us, alive; `runners` is its token's scope."""

    capabilities: Capabilities
    runners: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A worker that lately registered from a host: what the host was rented as, and what it turned out to be."""

    gpu_name: str
    capabilities: Capabilities


@dataclass(frozen=True, slots=True)
class Missing:
    """So many hosts are missing for a queue."""

    demand: Demand
    hosts: int


Server: TypeAlias = Host | OwnWorker | Needs


def serves(server: Server, demand: Demand) -> bool:
    """Whether a worker, or a host that is to become one, could do tasks of the queue. `Needs` stand for a host that will have just that."""
    match server:
        case Host(worker=None) | Needs():
            name, memory = (
                (server.gpu_name, server.gpu_memory_gib)
                if isinstance(server, Host)
                else (server.gpu or "", server.min_gpu_memory_gib)
            )
            return fits(name, demand.needs, memory)
        case Host(worker=worker):
            return worker is not None and can_run(worker.capabilities, demand.runner, demand.requires)
        case OwnWorker(capabilities, runners):
            allowed = runners is None or demand.runner in runners
            return allowed and can_run(capabilities, demand.runner, demand.requires)


def missing(demands: Collection[Demand], hosts: Collection[Host], own: Collection[OwnWorker]) -> list[Missing]:
    """How many hosts each queue lacks, the longest wait first. Each server has room for `CATCH_UP_S` of work, whichever queues it comes from."""
    servers: list[Server] = [*own, *hosts]
    room = [(server, CATCH_UP_S) for server in servers]
    lacking: list[Missing] = []
    # The most demanding first: a host for them has room for the others too.
    for demand in sorted(
        demands, key=lambda d: (d.needs.min_gpu_memory_gib, d.needs.gpu or "", d.queue_id), reverse=True
    ):
        if not demand.queued:
            continue
        rest_s, room = _place(demand, room)
        if rest_s > 0:
            count = math.ceil(rest_s / CATCH_UP_S)
            lacking.append(Missing(demand, count))
            room += [(demand.needs, CATCH_UP_S)] * (count - 1)
            room.append((demand.needs, CATCH_UP_S * count - rest_s))
    return sorted(lacking, key=lambda one: -one.demand.oldest_wait_s)


def _place(demand: Demand, room: Sequence[tuple[Server, float]]) -> tuple[float, list[tuple[Server, float]]]:
    """What of the queue's work finds no room, and the room that is left."""
    rest_s, left = demand.work_s, []
    for server, free_s in room:
        # Our own machines are too slow for it when it has waited so long.
        too_slow = isinstance(server, OwnWorker) and demand.oldest_wait_s > CATCH_UP_S
        taken = min(free_s, rest_s) if serves(server, demand) and not too_slow else 0
        rest_s -= taken
        left.append((server, free_s - taken))
    return rest_s, left


def proven_unfit(demand: Demand, witnesses: Collection[Witness]) -> bool:
    """Whether hosts that were as good as this queue asks could not do its tasks, and none could: the image lacks its runner or model."""
    able = any(can_run(one.capabilities, demand.runner, demand.requires) for one in witnesses)
    tried = any(fits(one.gpu_name, demand.needs, one.capabilities.gpu_memory_gib) for one in witnesses)
    return tried and not able
