"""How resources may be called."""

from __future__ import annotations

import re
from typing import Literal

from shared.testing.google_peer.faults import Refusal

_PROJECT = r"projects/[a-z][a-z0-9-]{4,28}[a-z0-9]"
_LOCATION = rf"{_PROJECT}/locations/[a-z]+-[a-z]+[0-9]"
_PUBSUB_ID = r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}"
Kind = Literal["topic", "subscription", "location", "queue", "task", "secret version"]
_PATTERNS: dict[Kind, re.Pattern[str]] = {
    "topic": re.compile(rf"{_PROJECT}/topics/{_PUBSUB_ID}"),
    "subscription": re.compile(rf"{_PROJECT}/subscriptions/{_PUBSUB_ID}"),
    "location": re.compile(_LOCATION),
    "queue": re.compile(rf"{_LOCATION}/queues/[A-Za-z0-9-]{{1,100}}"),
    "task": re.compile(rf"{_LOCATION}/queues/[A-Za-z0-9-]{{1,100}}/tasks/[A-Za-z0-9_-]{{1,500}}"),
    "secret version": re.compile(rf"{_PROJECT}/secrets/[A-Za-z0-9_-]{{1,255}}/versions/([1-9][0-9]*|latest)"),
}


def check(kind: Kind, name: str) -> str:
    """`name`, or INVALID_ARGUMENT when nothing of this kind can be called that."""
    if not _PATTERNS[kind].fullmatch(name):
        raise Refusal("INVALID_ARGUMENT", f"Invalid {kind} name: (name={name})")
    return name


def last(name: str) -> str:
    """The part that a person gave."""
    return name.rsplit("/", 1)[-1]
