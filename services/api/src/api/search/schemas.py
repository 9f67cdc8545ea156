"""What the search route takes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from shared.contracts.memory import Emotion, EntryKind

from api.http.values import STORABLE, Moment, Until

MAX_QUERY = 2_000


def _as_list(value: object) -> object:
    """One value means a list of one."""
    return [value] if isinstance(value, str) else value


Query = Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUERY, strip_whitespace=True), STORABLE]
Topic = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, to_lower=True), STORABLE]


class SearchFilters(BaseModel):
    """Every filter narrows; several values of one filter widen it."""

    model_config = ConfigDict(extra="forbid")

    kind: Annotated[list[EntryKind], BeforeValidator(_as_list), Field(max_length=4)] | None = None
    topics: Annotated[list[Topic], BeforeValidator(_as_list), Field(max_length=50)] | None = None
    emotions: Annotated[list[Emotion], BeforeValidator(_as_list), Field(max_length=14)] | None = None
    person_id: UUID | None = None
    since: Moment | None = Field(None, alias="from", description="Happened then or later")
    until: Until | None = Field(None, alias="to", description="Happened before; a bare date includes that day")


class SearchRequest(BaseModel):
    """A question or some words, and where to look."""

    model_config = ConfigDict(extra="forbid")

    query: Query
    space_ids: Annotated[list[UUID], Field(max_length=200)] | None = Field(
        None, description="All of the caller's, unless given"
    )
    filters: SearchFilters | None = None
    limit: int = Field(10, ge=1, le=100)
    per_entry: int = Field(1, ge=1, le=20, description="At most so many passages of one entry")
