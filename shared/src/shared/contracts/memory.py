"""Entries, uploads, insights, search."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

EntryKind = Literal["note", "photo", "audio", "document"]
EntryStatus = Literal["processing", "ready", "failed"]
Step = Literal["parse", "chunk", "embed", "index", "insights"]
Emotion = Literal[
    "joy",
    "gratitude",
    "love",
    "pride",
    "hope",
    "calm",
    "surprise",
    "sadness",
    "worry",
    "anger",
    "fear",
    "tiredness",
    "loneliness",
    "regret",
]

STEPS: tuple[Step, ...] = ("parse", "chunk", "embed", "index", "insights")


class EmotionScore(BaseModel):
    """How much of an emotion a text carries, 0 to 1."""

    label: Emotion
    score: float = Field(ge=0, le=1)


class Insights(BaseModel):
    """What was understood; `corrected` names the fields a person has put right."""

    summary: str
    topics: list[str]
    emotions: list[EmotionScore]
    people: list[str]
    dates: list[str]
    provider: str
    model: str
    corrected: list[str] = []


class Failure(BaseModel):
    """Why something failed and what helps."""

    code: str
    detail: str


class Attachment(BaseModel):
    """A file of an entry; URLs are relative to the api and answer 302 to a short-lived one."""

    upload_id: UUID
    filename: str
    content_type: str
    size: int
    meta: dict[str, Any]
    content_url: str
    thumbnail_url: str | None
    extracted_by: str | None
    error: Failure | None


class StepState(BaseModel):
    """How far one step of understanding an entry version has come."""

    step: Step
    state: Literal["running", "done", "failed", "skipped"]


class Entry(BaseModel):
    """An entry at its newest version. `body` is the full text that offsets count in (code points); `note` is what the person wrote.

    Lists cut a long `body` and say so with `truncated`.
    """

    id: UUID
    space_id: UUID
    author_id: UUID
    person_id: UUID | None
    kind: EntryKind
    version: int
    title: str | None
    note: str
    body: str
    truncated: bool = False
    occurred_at: datetime
    status: EntryStatus
    error: Failure | None
    insights: Insights | None
    attachments: list[Attachment]
    steps: list[StepState]
    stream_id: UUID
    created_at: datetime
    updated_at: datetime


class EntryPage(BaseModel):
    """A page of entries, newest first."""

    entries: list[Entry]
    next_page_token: str | None


class EntryVersion(BaseModel):
    """A version in the history of an entry."""

    entry_id: UUID
    version: int
    created_by: UUID
    created_at: datetime
    current: bool


class EntryVersionText(EntryVersion):
    """What a version says; its `body` never changes once it is indexed, so the offsets of citations hold."""

    title: str | None
    note: str
    body: str


class EntryVersions(BaseModel):
    """All versions, the newest first."""

    versions: list[EntryVersion]


class SearchHit(BaseModel):
    """A passage: `text == body[start:end]` of that entry version, in code points."""

    entry_id: UUID
    chunk_id: UUID
    version: int
    title: str | None
    text: str
    start: int
    end: int
    score: float
    occurred_at: datetime
    kind: EntryKind
    space_id: UUID


class SearchResult(BaseModel):
    """Hits, best first; `degraded` says that only words were searched because the embedding model did not answer."""

    hits: list[SearchHit]
    degraded: bool = False


class TopicCount(BaseModel):
    """How many entries a topic appears in."""

    topic: str
    count: int


class MoodWeek(BaseModel):
    """An emotion's mean score in a week, which begins on its Monday, and the number of entries that carry it."""

    week: date
    label: Emotion
    score: float
    count: int


class DayCount(BaseModel):
    """How many entries a day has."""

    date: date
    count: int


class InsightsOverview(BaseModel):
    """Totals for charts and the calendar."""

    topics: list[TopicCount]
    moods: list[MoodWeek]
    days: list[DayCount]
