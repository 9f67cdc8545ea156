"""What the routes of entries take."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from shared.contracts.memory import EmotionScore, EntryKind, EntryStatus

from api.http.values import STORABLE, Moment, PlainText

MAX_BODY = 1_000_000
MAX_TITLE = 500
MAX_UPLOADS = 50

Body = Annotated[PlainText, Field(max_length=MAX_BODY)]
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE, strip_whitespace=True), STORABLE]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), STORABLE]
Topic = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True, to_lower=True), STORABLE]


def _each_once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _one_score_each(emotions: list[EmotionScore]) -> list[EmotionScore]:
    if len({emotion.label for emotion in emotions}) != len(emotions):
        raise ValueError("names an emotion twice; give each label one score")
    return emotions


class NewEntry(BaseModel):
    """An entry to be saved. A note needs text; the other kinds need a ready upload of their type."""

    model_config = ConfigDict(extra="forbid")

    kind: EntryKind
    body: Body = ""
    title: Title | None = None
    occurred_at: Moment | None = Field(None, description="When it happened; now, unless given")
    space_id: UUID | None = Field(None, description="The personal space, unless given")
    person_id: UUID | None = Field(None, description="Whom it is about; somebody of the same space")
    uploads: Annotated[list[UUID], AfterValidator(_each_once), Field(max_length=MAX_UPLOADS)] = []


class EntryChange(BaseModel):
    """What to change; what is left out stays. Another `body` makes a new version."""

    model_config = ConfigDict(extra="forbid")

    body: Body | None = None
    title: Title | None = None
    occurred_at: Moment | None = None
    person_id: UUID | None = None
    version: int | None = Field(None, ge=1, description="Only if this is still the newest version, else 409")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for field in ("body", "occurred_at"):
            if field in self.model_fields_set and getattr(self, field) is None:
                raise ValueError(f"`{field}` cannot be null; leave it out to keep it")
        return self


class InsightCorrection(BaseModel):
    """Fields as they should be. They win over everything computed, now and later."""

    model_config = ConfigDict(extra="forbid")

    summary: Annotated[str, StringConstraints(max_length=4000, strip_whitespace=True), STORABLE] | None = None
    topics: Annotated[list[Topic], AfterValidator(_each_once), Field(max_length=30)] | None = None
    emotions: Annotated[list[EmotionScore], AfterValidator(_one_score_each), Field(max_length=14)] | None = None
    people: Annotated[list[Name], AfterValidator(_each_once), Field(max_length=50)] | None = None
    dates: Annotated[list[Name], AfterValidator(_each_once), Field(max_length=50)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.fields():
            raise ValueError("name at least one of summary, topics, emotions, people, dates, with a value")
        return self

    def fields(self) -> dict[str, Any]:
        """The corrected fields as JSON; null is no value, to undo a correction there is DELETE."""
        return self.model_dump(mode="json", exclude_none=True)


class EntryFilter(BaseModel):
    """What a list is narrowed to."""

    kind: EntryKind | None = None
    status: EntryStatus | None = None
    topic: str | None = None
    emotion: str | None = None
    person_id: UUID | None = None
    space_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    def key(self) -> tuple[Any, ...]:
        """What a page token is bound to."""
        return tuple(self.model_dump(mode="json").values())
