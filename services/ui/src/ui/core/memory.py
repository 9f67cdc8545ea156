"""Entries, their insights, uploads, spaces and people: one function a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from shared.contracts.identity import Me
from shared.contracts.memory import Entry, EntryPage, EntryVersionText, InsightsOverview, SearchResult

from ui.core import when
from ui.core.api import Api


@dataclass(frozen=True)
class EntryFilter:
    """What the timeline is narrowed to; empty means everything the person may read."""

    kind: str = ""
    topic: str = ""
    emotion: str = ""
    person_id: str = ""
    space_id: str = ""
    since: str = ""
    until: str = ""


@dataclass(frozen=True)
class Draft:
    """An entry about to be written; `key` is kept with the draft so that a second press saves it once."""

    kind: str
    body: str
    key: str
    title: str = ""
    space_id: str = ""
    person_id: str = ""
    occurred_at: datetime | None = None
    uploads: tuple[str, ...] = ()


def me(api: Api) -> Me:
    return Me.model_validate(api.call("GET", "/api/v1/me"))


def list_entries(api: Api, narrowed: EntryFilter, *, size: int = 10, page_token: str | None = None) -> EntryPage:
    query: dict[str, str | int | list[str] | None] = {
        "page_size": size,
        "page_token": page_token,
        "kind": narrowed.kind,
        "topic": narrowed.topic,
        "emotion": narrowed.emotion,
        "person_id": narrowed.person_id,
        "space_id": narrowed.space_id,
        "from": narrowed.since,
        "to": narrowed.until,
    }
    return EntryPage.model_validate(api.call("GET", "/api/v1/entries", query=query))


def entry(api: Api, entry_id: str) -> Entry:
    return Entry.model_validate(api.call("GET", f"/api/v1/entries/{entry_id}"))


def write(api: Api, draft: Draft) -> Entry:
    body: dict[str, Any] = {"kind": draft.kind, "uploads": list(draft.uploads)}
    wanted = {"body": draft.body, "title": draft.title, "space_id": draft.space_id, "person_id": draft.person_id}
    body |= {name: value for name, value in wanted.items() if value}
    if draft.occurred_at is not None:
        body["occurred_at"] = draft.occurred_at.isoformat()
    return Entry.model_validate(api.call("POST", "/api/v1/entries", body=body, key=draft.key))


def change(api: Api, entry_id: str, fields: Mapping[str, Any]) -> Entry:
    return Entry.model_validate(api.call("PATCH", f"/api/v1/entries/{entry_id}", body=fields))


def remove(api: Api, entry_id: str) -> None:
    api.call("DELETE", f"/api/v1/entries/{entry_id}")


def retry(api: Api, entry_id: str) -> None:
    api.call("POST", f"/api/v1/entries/{entry_id}/retry")


def correct(api: Api, entry_id: str, fields: Mapping[str, Any]) -> None:
    api.call("PATCH", f"/api/v1/entries/{entry_id}/insights", body=fields)


def search(api: Api, wanted: str, narrowed: EntryFilter, *, limit: int = 12) -> SearchResult:
    """The passages nearest to these words, within the filters."""
    filters = {
        "kind": narrowed.kind,
        "topics": [narrowed.topic] if narrowed.topic else [],
        "emotions": [narrowed.emotion] if narrowed.emotion else [],
        "person_id": narrowed.person_id,
    }
    body: dict[str, Any] = {"query": wanted, "limit": limit}
    body |= {"filters": given} if (given := {name: value for name, value in filters.items() if value}) else {}
    body |= {"space_ids": [narrowed.space_id]} if narrowed.space_id else {}
    return SearchResult.model_validate(api.call("POST", "/api/v1/search", body=body))


def begin_upload(api: Api, *, filename: str, content_type: str, size: int) -> Mapping[str, Any]:
    """Ask for a place to put a file; the answer holds the address and headers for the browser's PUT, or those of a large file's parts."""
    wanted = {"filename": filename, "content_type": content_type, "size": size, "multipart": True}
    answer: Mapping[str, Any] = api.call("POST", "/api/v1/uploads", body=wanted)
    return answer


def missing_parts(api: Api, upload_id: str) -> Mapping[str, Any]:
    """Which parts of a large file have come, and fresh addresses of those that have not."""
    answer: Mapping[str, Any] = api.call("GET", f"/api/v1/uploads/{upload_id}/parts")
    return answer


def finish_upload(api: Api, upload_id: str) -> None:
    api.call("POST", f"/api/v1/uploads/{upload_id}/complete")


def version_text(api: Api, entry_id: str, version: int) -> str:
    """What an earlier version says; citations keep pointing into the version that they were made from."""
    data = api.call("GET", f"/api/v1/entries/{entry_id}/versions/{version}")
    return EntryVersionText.model_validate(data).body


def overview(api: Api, first: date, last: date, narrowed: EntryFilter) -> InsightsOverview:
    """Counts for the charts and the calendar over whole days of the person's own time zone, added up by the gateway."""
    since, until = when.day_bounds(first, last)
    query = {
        "from": since,
        "to": until,
        "tz": when.zone().key,
        "space_id": narrowed.space_id,
        "person_id": narrowed.person_id,
    }
    return InsightsOverview.model_validate(api.call("GET", "/api/v1/insights/overview", query=query))
