"""A figure: what was measured, against what, and whether that is good enough."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    `floor` is what `floor_name` needed in the same run, `ratio` ours to it; `met` is None where nothing is demanded or nothing could be measured.
    """

    name: str
    value: float | None
    unit: str
    goal: str
    met: bool | None
    floor_name: str = "–"
    floor: float | None = None
    ratio: float | None = None
    note: str = ""
    detail: dict[str, object] = field(default_factory=dict)


def not_measured(name: str, goal: str, why: str) -> Figure:
    """A figure that could not be had, and why: it is shown, not left out."""
    return Figure(name, None, "", goal, None, note=f"not measured: {why}")


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return float(statistics.median(values))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine_state() -> dict[str, object]:
    """What else was going on: figures of a busy machine are to be read beside their floors only."""
    memory = {
        line.split(":")[0]: int(line.split()[1]) // 1024
        for line in Path("/proc/meminfo").read_text().splitlines()[:3]
        if line
    }
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "memory_mib": memory,
        "python": platform.python_version(),
    }


def record(bench: str, figures: Sequence[Figure], state: dict[str, object]) -> None:
    """Append a run to `bench/results/<bench>.jsonl`."""
    RESULTS.mkdir(exist_ok=True)
    line = {"bench": bench, "machine": state, "figures": [asdict(figure) for figure in figures]}
    with (RESULTS / f"{bench}.jsonl").open("a") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def table(figures: Sequence[Figure]) -> str:
    """The figures as text in columns."""
    rows = [("figure", "measured", "floor", "ratio", "goal", "")] + [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, str, str, str, str, str]:
    measured = "–" if figure.value is None else f"{_short(figure.value)} {figure.unit}"
    floor = figure.floor_name if figure.floor is None else f"{_short(figure.floor)} {figure.unit} ({figure.floor_name})"
    ratio = "–" if figure.ratio is None else f"{figure.ratio:.2f}"
    verdict = {True: "ok", False: "MISSED", None: ""}[figure.met]
    return figure.name, measured, floor, ratio, figure.goal, " ".join(filter(None, (verdict, figure.note)))


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
