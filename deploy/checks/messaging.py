"""Terraform's topics, subscriptions and queues say what `shared.deliveries` says; `make messaging` writes them anew."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.deliveries import ROUTES, TOPICS, Route, attribute

PLACE = Path("deploy/terraform/messaging.json")
COMMAND = "make messaging"
_DISPATCHES_PER_SECOND = 50
"""For each queue: more than a few instances can take, and few enough for the database."""


def check(root: Path) -> Iterator[str]:
    """Whether the file is what it should be, and what cannot be expressed in the cloud."""
    path = root / PLACE
    if not path.exists() or path.read_text(encoding="utf-8") != text():
        yield f"{PLACE}:1: differs from shared.deliveries: run '{COMMAND}' and look at the plan before you apply it"
    for route in ROUTES:
        yield from (f"shared/src/shared/deliveries.py:1: {route.name}: {why}" for why in unfit(route))


def text() -> str:
    """The file."""
    return json.dumps(messaging(), indent=2) + "\n"


def messaging() -> dict[str, Any]:
    """Everything asynchronous in the words of Terraform's resources."""
    return {
        "topics": sorted(TOPICS),
        "subscriptions": {route.name: _subscription(route) for route in _of("event")},
        "queues": {route.name: _queue(route) for route in _of("task")},
    }


def unfit(route: Route) -> Iterator[str]:
    """Why the cloud would refuse a route, or treat it otherwise than one machine does."""
    if route.kind == "event":
        if not 10 <= route.deadline_s <= 600:
            yield f"a push subscription waits for 10 to 600 s, not for {route.deadline_s:g}"
        if not 5 <= route.max_attempts <= 100:
            yield f"a subscription gives up after 5 to 100 attempts, not after {route.max_attempts}"
        if route.source not in TOPICS:
            yield f"its topic {route.source} is not in TOPICS"
    elif not 15 <= route.deadline_s <= 1800:
        yield f"Cloud Tasks waits for 15 s to 30 min, not for {route.deadline_s:g} s"


def _of(kind: str) -> list[Route]:
    return sorted((route for route in ROUTES if route.kind == kind), key=lambda route: route.name)


def _subscription(route: Route) -> dict[str, Any]:
    conditions = [f'attributes.{name} = "{attribute(value)}"' for name, value in sorted(route.only.items())]
    return {
        "topic": route.source,
        "service": route.service,
        "path": route.path,
        "filter": " AND ".join(conditions),
        "ack_deadline_seconds": round(route.deadline_s),
        "max_delivery_attempts": route.max_attempts,
        "minimum_backoff": _seconds(route.min_backoff_s),
        "maximum_backoff": _seconds(route.max_backoff_s),
    }


def _queue(route: Route) -> dict[str, Any]:
    doublings = 0
    while route.min_backoff_s * 2.0 ** (doublings + 1) <= route.max_backoff_s and doublings < 16:
        doublings += 1
    return {
        "service": route.service,
        "max_concurrent_dispatches": route.concurrency,
        "max_dispatches_per_second": _DISPATCHES_PER_SECOND,
        "min_backoff": _seconds(route.min_backoff_s),
        "max_backoff": _seconds(route.max_backoff_s),
        "max_doublings": doublings,
    }


def _seconds(value: float) -> str:
    return f"{value:g}s"


if __name__ == "__main__":
    (Path(__file__).resolve().parents[2] / PLACE).write_text(text(), encoding="utf-8")
    sys.exit(0)
