"""How long a cold start takes until the first 200 on `/health`, and what a service weighs when nobody uses it.

Twice: as `maru up` configures it, and with every variable of the cloud set, as its container starts.
"""

from __future__ import annotations

import time

from bench.figure import Figure, median, not_measured
from bench.ground import Ground, ground
from bench.processes import DidNotStart, running

ROUNDS = 6
_GOAL_RATIO = 1.35
_MEMORY_GOALS_MIB = {"api": 110, "ingest": 150, "inference": 100}
_IDLE_S = 0.5
_CLOUD = " in the cloud"


def measure() -> list[Figure]:
    """Rounds interleave the services and the floor, so that a busy moment meets all of them."""
    with ground() as base:
        seconds, cpu, memory, failures = _rounds(base)
    figures = []
    for service, limit in [
        (f"{name}{where}", limit) for where in ("", _CLOUD) for name, limit in _MEMORY_GOALS_MIB.items()
    ]:
        if service in failures:
            figures.append(not_measured(f"{service} start", f"≤ {_GOAL_RATIO} ×", failures[service]))
            continue
        figures.append(_start_figure(service, seconds, cpu))
        idle = median(memory[service])
        floor = median(memory["hello"])
        figures.append(
            Figure(
                f"{service} idle memory",
                idle,
                "MiB",
                f"≤ {limit} MiB",
                idle <= limit,
                "FastAPI hello",
                floor,
                idle / floor,
            )
        )
    return figures


Times = dict[str, list[float]]


def _rounds(base: Ground) -> tuple[Times, Times, Times, dict[str, str]]:
    starts: dict[str, tuple[str, dict[str, str] | None]] = {"hello": ("bench.peers.hello", None)}
    starts |= {service: (service, base.variables(service)) for service in _MEMORY_GOALS_MIB}
    starts |= {f"{service}{_CLOUD}": (service, base.cloud_variables(service)) for service in _MEMORY_GOALS_MIB}
    seconds: Times = {name: [] for name in starts}
    cpu: Times = {name: [] for name in starts}
    memory: Times = {name: [] for name in starts}
    failures: dict[str, str] = {}
    for _ in range(ROUNDS + 1):
        for name, (module, variables) in starts.items():
            if name in failures:
                continue
            try:
                with running(module, variables) as service:
                    cpu[name].append(service.cpu_s())
                    time.sleep(_IDLE_S)
                    seconds[name].append(service.started_s)
                    memory[name].append(service.resident_mib())
            except DidNotStart as reason:
                failures[name] = str(reason).strip().splitlines()[-1][:120]
    # The first round compiles bytecode and warms the page cache.
    return {name: values[1:] for name, values in seconds.items()}, cpu, memory, failures


def _start_figure(service: str, seconds: Times, cpu: Times) -> Figure:
    ours, floor = median(seconds[service]), median(seconds["hello"])
    # Of neighbours in time, so that a machine that is busy for a minute does not decide.
    ratio = median([one / other for one, other in zip(seconds[service], seconds["hello"], strict=True)])
    return Figure(
        f"{service} start → /health",
        ours,
        "s",
        f"≤ {_GOAL_RATIO} ×",
        ratio <= _GOAL_RATIO,
        "FastAPI hello",
        floor,
        ratio,
        note=f"of processor time {min(cpu[service]) / min(cpu['hello']):.2f} ×",
        detail={"best_ratio": min(seconds[service]) / min(seconds["hello"]), "seconds": seconds[service]},
    )
