"""What the pipeline knows of the entry version it is at work on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.contracts.memory import Step

StepName = Step
State = Literal["running", "done", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class IndexTask:
    """The command: make this version of this entry known."""

    entry_id: UUID
    version: int
    space_id: UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write about an entry version; a later claim has a higher epoch and takes the right away."""

    entry_id: UUID
    version: int
    space_id: UUID
    epoch: int
    stream_id: UUID


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file of the entry, as its upload row says; `examined_by` tells what has read it already."""

    upload_id: UUID
    filename: str
    content_type: str
    size: int
    object_key: str
    keep_location: bool
    examined_by: str | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Work:
    """An entry version as it was claimed."""

    claim: Claim
    author_id: UUID
    person_id: UUID | None
    kind: str
    title: str | None
    occurred_at: datetime
    occurred_at_assumed: bool
    indexed_version: int | None
    attempt: int
    note: str
    body: str
    steps: Mapping[str, str]
    files: tuple[AttachedFile, ...]
    known_people: tuple[str, ...]
    mean_length: float
    topics: list[str]
    emotions: list[str]

    def finished(self, step: StepName) -> bool:
        """Whether an attempt before has brought this step to its end."""
        return self.steps.get(step) in {"done", "skipped"}


@dataclass(frozen=True, slots=True)
class Ending:
    """How the work ends: with everything known, or with a cause and perhaps a time to try again."""

    outcome: Literal["ready", "failed"]
    error: dict[str, Any] | None = None
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Advance:
    """Steps that have come further, to be written together with an event each; `progressed` when one is finished for the first time."""

    steps: tuple[tuple[StepName, State], ...] = ()
    progressed: bool = False
    indexed: bool = False
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """What of an entry may have changed while it was worked on."""

    title: str | None
    occurred_at: datetime
    person_id: UUID | None


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk as it is stored; `length` in terms, `embedding_key` where a model is configured."""

    id: UUID
    ordinal: int
    start: int
    end: int
    sha256: bytes
    length: float
    embedding_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """What search filters an entry by."""

    topics: list[str]
    emotions: list[str]


class ClaimLost(Exception):
    """Somebody else works on the entry now, or it has been edited or deleted: what was done here no longer counts."""
