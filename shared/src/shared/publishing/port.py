"""What a relay carries, and how it can end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Promise:
    """A row of the outbox that this process may publish now; `attempt` fences what is later said about it."""

    id: UUID
    kind: Literal["event", "task"]
    name: str
    """The topic, or the queue."""
    key: str | None
    body: str
    """JSON, as it is stored."""
    not_before: datetime | None
    attempt: int


class End(Enum):
    """How an attempt ended."""

    CARRIED = "carried"
    """Google keeps it from now on."""
    AGAIN = "again"
    """It failed, and may succeed later."""
    AWAY = "away"
    """Google did not answer, so nothing else would have been answered either."""
    NEVER = "never"
    """It was refused, and would be tomorrow."""
    HELD = "held"
    """It was not tried, because something before it failed or time ran out."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a promise; `cause` says why it was not carried."""

    promise: Promise
    end: End
    cause: str = ""


class Carrier(Protocol):
    """Takes promises of one kind to whoever keeps them."""

    async def carry(self, promises: Sequence[Promise], within_s: float) -> list[Outcome]:
        """An outcome for each promise, in about `within_s` seconds; a second call may publish a second time, which receivers must bear."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...
