"""How long `make run` takes once the environment is there: on an empty home, and again on the same one, web app included.

`make test` prints its own time; it is not run from here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.figure import Figure, not_measured
from bench.product import product

_GOAL_FIRST_S = 60
_GOAL_RESTART_S = 5


def measure() -> list[Figure]:
    """From the command to the table, when the first page can be opened."""
    with tempfile.TemporaryDirectory(prefix="maru-bench-") as folder:
        home = Path(folder) / "home"
        with product(home=home, flags=("--ui",)) as running:
            first = running.started_s
        with product(home=home, flags=("--ui",)) as running:
            restart = running.started_s
    return [
        Figure(
            "make run, empty home",
            first,
            "s",
            f"≤ {_GOAL_FIRST_S} s",
            first <= _GOAL_FIRST_S,
            note="packages installed",
        ),
        Figure("make run, restart", restart, "s", f"≤ {_GOAL_RESTART_S} s", restart <= _GOAL_RESTART_S),
        not_measured("make test", "≤ 10 min", "it prints its own time"),
    ]
