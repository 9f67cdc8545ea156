"""What a search is narrowed to and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Every condition narrows; an empty one does not. Spaces the person cannot read are left out without a word."""

    space_ids: tuple[UUID, ...] = ()
    kinds: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    emotions: tuple[str, ...] = ()
    person_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of an entry version: `text == body[start:end]` in code points; `sha256` (hex) is of that text."""

    entry_id: UUID
    chunk_id: UUID
    version: int
    space_id: UUID
    kind: str
    title: str | None
    occurred_at: datetime
    start: int
    end: int
    text: str
    sha256: str
    score: float


@dataclass(frozen=True, slots=True)
class Found:
    """Passages, best first; `degraded` says that meaning could not be searched and only words were."""

    passages: tuple[Passage, ...]
    space_ids: frozenset[UUID]
    degraded: bool = False
