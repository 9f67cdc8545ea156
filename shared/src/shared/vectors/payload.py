"""Points and filters in terms that belong to neither engine's library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.vectors.errors import DenseVectorMisfit
from shared.vectors.port import UNCHANGED, DenseSpace, PayloadChange, PointPayload, VectorFilter, VectorHit, VectorPoint

DENSE = "dense"
LEXICAL = "lexical"
HIT_FIELDS = ["entry_id", "version", "chunk"]
UUID_FIELDS = ("space_id", "entry_id", "owner_id", "member_id")
KEYWORD_FIELDS = ("kind", "topics", "emotions")


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field holds one of the values."""

    key: str
    values: list[str]


@dataclass(frozen=True, slots=True)
class Within:
    """The time lies in [since, until)."""

    key: str
    since: str | None
    until: str | None


@dataclass(frozen=True, slots=True)
class Above:
    """The number is above the limit."""

    key: str
    limit: int


Condition = AnyOf | Within | Above


def conditions(wanted: VectorFilter) -> list[Condition]:
    """What every visible point must fulfil."""
    found: list[Condition] = [tenant(wanted)]
    for key, values in (("kind", wanted.kinds), ("topics", wanted.topics), ("emotions", wanted.emotions)):
        if values:
            found.append(AnyOf(key, list(values)))
    if wanted.person_id is not None:
        found.append(AnyOf("member_id", [str(wanted.person_id)]))
    if wanted.since is not None or wanted.until is not None:
        found.append(Within("occurred_at", _time(wanted.since), _time(wanted.until)))
    return found


def tenant(wanted: VectorFilter) -> AnyOf:
    """The spaces alone: the corpus in which a term is rare or common."""
    return AnyOf("space_id", [str(space_id) for space_id in wanted.space_ids])


def of_entry(entry_id: UUID) -> AnyOf:
    """All points of an entry."""
    return AnyOf("entry_id", [str(entry_id)])


def of_space(space_id: UUID) -> AnyOf:
    """All points of a space."""
    return AnyOf("space_id", [str(space_id)])


def stored(payload: PointPayload) -> dict[str, Any]:
    """A payload as both engines keep it."""
    return {
        "entry_id": str(payload.entry_id),
        "version": payload.version,
        "chunk": payload.chunk,
        "space_id": str(payload.space_id),
        "owner_id": str(payload.owner_id),
        "member_id": _identity(payload.member_id),
        "kind": payload.kind,
        "topics": list(payload.topics),
        "emotions": list(payload.emotions),
        "occurred_at": _time(payload.occurred_at),
    }


def changed(change: PayloadChange) -> dict[str, Any]:
    """The fields of a change that are to be overwritten."""
    fields: dict[str, Any] = {}
    for key in ("topics", "emotions", "kind"):
        value = getattr(change, key)
        if value is not UNCHANGED:
            fields[key] = value
    if change.member_id is not UNCHANGED:
        fields["member_id"] = _identity(change.member_id)
    if change.occurred_at is not UNCHANGED:
        fields["occurred_at"] = _time(change.occurred_at)
    return fields


def hit(identity: object, score: float, payload: dict[str, Any] | None) -> VectorHit:
    """A hit from what either engine returns."""
    fields = payload or {}
    return VectorHit(
        UUID(str(identity)), UUID(fields["entry_id"]), int(fields["version"]), int(fields["chunk"]), float(score)
    )


def in_order(hits: list[VectorHit], limit: int) -> list[VectorHit]:
    """Best first; equal scores in a fixed order, so that the same question has the same answer."""
    return sorted(hits, key=lambda found: (-found.score, found.entry_id, found.chunk))[:limit]


def with_ties(limit: int) -> int:
    """How many to ask for so that most equal scores at the end are there to be put in order."""
    return limit + 10


def check_dense(points: Sequence[VectorPoint], dense: DenseSpace | None) -> None:
    """Refuse what the engines would store without a word and never find again."""
    for point in points:
        length = None if point.dense is None else len(point.dense)
        expected = None if dense is None else dense.dimensions
        if length != expected:
            raise DenseVectorMisfit(
                f"point {point.id} of entry {point.payload.entry_id} has a dense vector of {length or 'no'} numbers, "
                f"the index takes {expected or 'none'}"
            )


def check_query(dense: list[float] | None, space: DenseSpace | None) -> None:
    """Refuse a query vector of another model; None asks for words only and is always allowed."""
    if dense is not None and (space is None or len(dense) != space.dimensions):
        raise DenseVectorMisfit(
            f"the query's dense vector has {len(dense)} numbers, the index takes {space.dimensions if space else 'none'}"
        )


def _identity(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat()
