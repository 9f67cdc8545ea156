"""The life of a rented host, pure.

    starting ──its worker registers──► running ──drain──► stopping ──nothing in hand──► stopped
       └──────────── did not come up, must end ──────────────┴──────── must end ─────────┘

A host that works is given nothing more and ends when it has finished (`Drain`, then `Stop`). It is ended at its work only when its money or its
time is over, or when the fleet is switched off: what it held goes back to the queue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never
from uuid import UUID

from shared.contracts.dispatch import Capabilities

HostStatus = Literal["starting", "running", "stopping", "stopped"]
StopReason = Literal[
    "idle",
    "boot_timeout",
    "silent",
    "takes_no_work",
    "exited",
    "life_over",
    "budget_spent",
    "price_rose",
    "fleet_off",
    "asked",
    "not_created",
    "offer_gone",
    "refused",
    "vanished",
]
# After these the machine itself is in doubt, and another one is rented next time.
MACHINE_FAILED: frozenset[StopReason] = frozenset({"boot_timeout", "silent", "takes_no_work", "exited", "vanished"})

# A claim that began before a host was told to drain has ended by then.
DRAIN_S = 5.0
SILENT_S = 300.0
# A host that has something to do and takes none of it for so many times the idle limit is broken.
_PATIENCE = 4


@dataclass(frozen=True, slots=True)
class HostWorker:
    """The worker that registered from a host: what it can do, how many tasks it holds, how long ago it last spoke."""

    capabilities: Capabilities
    in_hand: int
    silent_s: float


@dataclass(frozen=True, slots=True)
class Host:
    """A rented host as we know it. Times are ages by the database's clock."""

    id: UUID
    label: str
    status: HostStatus
    price_micros_per_hour: int
    age_s: float
    provider_id: str | None = None
    machine_id: str | None = None
    gpu_name: str = ""
    gpu_memory_gib: float = 0
    worker: HostWorker | None = None
    idle_s: float | None = None
    drain_s: float | None = None
    reason: StopReason | None = None
    dead: bool = False

    @property
    def works(self) -> bool:
        """Whether it holds a task."""
        return self.worker is not None and self.worker.in_hand > 0


@dataclass(frozen=True, slots=True)
class Ready:
    """Its worker has registered."""

    host: Host


@dataclass(frozen=True, slots=True)
class Busy:
    """It holds a task again."""

    host: Host


@dataclass(frozen=True, slots=True)
class Idle:
    """It holds none, from now on."""

    host: Host


@dataclass(frozen=True, slots=True)
class Drain:
    """Give it nothing more."""

    host: Host
    reason: StopReason


@dataclass(frozen=True, slots=True)
class Stop:
    """End it and its costs."""

    host: Host
    reason: StopReason


HostAction: TypeAlias = Ready | Busy | Idle | Drain | Stop


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a host may take for what."""

    idle_s: float
    boot_s: float
    life_s: float

    @property
    def last_task_s(self) -> float:
        """The age from which a host is given no more tasks, so that it ends on time with none in hand."""
        return self.life_s - min(900.0, self.life_s / 10)


def step(
    host: Host, patience: Patience, *, useful: bool, must_end: StopReason | None, should_end: StopReason | None
) -> HostAction | None:
    """What is to be done about a host now.

    `useful`: something is queued that it could do. `must_end` ends it whatever it does; `should_end` lets it finish.
    """
    if host.age_s >= patience.life_s:
        must_end = must_end or "life_over"
    elif host.age_s >= patience.last_task_s:
        should_end = should_end or "life_over"
    match host.status:
        case "stopped":
            return None
        case "starting" | "running" | "stopping" if must_end is not None:
            return Stop(host, must_end)
        case "starting":
            return _starting(host, patience, should_end)
        case "running":
            return _working(host, should_end) if host.works else _resting(host, patience, should_end, useful=useful)
        case "stopping":
            return _ending(host)
        case _:
            assert_never(host.status)


def _starting(host: Host, patience: Patience, should_end: StopReason | None) -> HostAction | None:
    """It holds nothing before it has registered; once it has, the next look treats it as a running one."""
    if host.worker is not None:
        return Ready(host)
    if should_end is not None:
        return Stop(host, should_end)
    if host.dead:
        return Stop(host, "exited")
    return Stop(host, "boot_timeout") if host.age_s > patience.boot_s else None


def _working(host: Host, should_end: StopReason | None) -> HostAction | None:
    if should_end is not None:
        return Drain(host, should_end)
    return None if host.idle_s is None else Busy(host)


def _resting(host: Host, patience: Patience, should_end: StopReason | None, *, useful: bool) -> HostAction | None:
    if host.worker is None or host.worker.silent_s > SILENT_S:
        return Stop(host, "silent")
    if host.dead:
        return Stop(host, "exited")
    if should_end is not None:
        return Drain(host, should_end)
    if host.idle_s is None:
        return Idle(host)
    if host.idle_s > patience.idle_s * _PATIENCE:
        return Drain(host, "takes_no_work" if useful else "idle")
    return Drain(host, "idle") if host.idle_s >= patience.idle_s and not useful else None


def _ending(host: Host) -> HostAction | None:
    drained = host.drain_s is None or host.drain_s >= DRAIN_S
    return Stop(host, host.reason or "asked") if drained and not host.works else None
