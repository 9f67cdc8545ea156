"""From the answer to a saved note to the first search that finds it, offline, on an otherwise idle product."""

from __future__ import annotations

import time

from bench.figure import Figure, median, quantile
from bench.people import Somebody, somebody
from bench.product import product, search_until_found

_NOTES = 40
_GOAL_P50_MS = 300
_GOAL_P95_MS = 1000


def measure() -> list[Figure]:
    """One note at a time; the first ones load the tokeniser and do not count."""
    with product() as running, somebody(running.url) as person:
        for number in range(3):
            _note(person, 1000 + number)
        times = [_note(person, number) * 1000 for number in range(_NOTES)]
    p50, p95 = median(times), quantile(times, 0.95)
    return [
        Figure("saved → searchable p50", p50, "ms", f"≤ {_GOAL_P50_MS} ms", p50 <= _GOAL_P50_MS),
        Figure("saved → searchable p95", p95, "ms", f"≤ {_GOAL_P95_MS} ms", p95 <= _GOAL_P95_MS, detail={"ms": times}),
    ]


def _note(person: Somebody, number: int) -> float:
    word = f"zelkova{number}q"
    body = f"오늘은 느티나무 {word} 아래에서 바람을 맞았다. The {word} was in leaf."
    entry = person.post("/api/v1/entries", {"kind": "note", "body": body})
    seconds = search_until_found(person, word, entry["id"])
    # The next note meets an idle product again.
    time.sleep(0.1)
    return seconds
