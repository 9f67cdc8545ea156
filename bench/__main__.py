"""`make bench`: every figure, or those named: `make bench ARGS="startup hybrid_search"`."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
import traceback

from bench.figure import Figure, machine_state, not_measured, record, table

BENCHES = (
    "startup",
    "authenticated_read",
    "first_token",
    "saved_to_searchable",
    "ingest_throughput",
    "hybrid_search",
    "reembedding",
    "repeat_question",
    "ui_rerun",
    "queue_throughput",
    "claim_latency",
    "publishing",
    "memory_flat",
    "idle",
    "make_times",
    "images",
)


def main() -> int:
    """Run, print, append to `bench/results/`; 1 when a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("benches", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    chosen = parser.parse_args().benches or list(BENCHES)
    if unknown := set(chosen) - set(BENCHES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    figures: list[Figure] = []
    for name in chosen:
        figures += _run(name)
    print("\n" + table(figures))
    state = machine_state()
    print(f"\n{state['cores']} cores, load average {state['load_average']}, Python {state['python']}")
    return 1 if any(figure.met is False for figure in figures) else 0


def _run(name: str) -> list[Figure]:
    state, started = machine_state(), time.perf_counter()
    print(f"{name} …", end=" ", flush=True, file=sys.stderr)
    try:
        figures: list[Figure] = importlib.import_module(f"bench.{name}").measure()
    except Exception as failure:  # noqa: BLE001 - one figure that cannot be had must not hide the others
        traceback.print_exc()
        figures = [not_measured(name, "–", f"{type(failure).__name__}: {failure}"[:160])]
    record(name, figures, state)
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return figures


if __name__ == "__main__":
    sys.exit(main())
