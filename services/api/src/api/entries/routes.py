"""`/api/v1/entries`."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from shared.contracts.memory import Emotion, Entry, EntryKind, EntryPage, EntryStatus, EntryVersions, EntryVersionText
from shared.http.idempotency import IdempotencyKey

from api.entries.schemas import EntryChange, EntryFilter, InsightCorrection, NewEntry
from api.entries.service import EntryService
from api.http.caller import Caller
from api.http.following import EVENT_STREAM, After, Follow
from api.http.services import provided
from api.http.values import Moment, PlainText, Until

router = APIRouter(prefix="/api/v1/entries", tags=["entries"])
Service = Annotated[EntryService, Depends(provided(EntryService))]
Field = Literal["summary", "topics", "emotions", "people", "dates"]


def _json(text: str, status_code: int = 200) -> Response:
    # Postgres has built the document to the contract; parsing and checking it again would cost more than the read itself.
    return Response(text, status_code, media_type="application/json")


def _wanted(
    kind: EntryKind | None = None,
    status: EntryStatus | None = None,
    topic: Annotated[PlainText | None, Query(max_length=200)] = None,
    emotion: Emotion | None = None,
    person_id: UUID | None = None,
    space_id: UUID | None = None,
    since: Annotated[Moment | None, Query(alias="from", description="Happened then or later")] = None,
    until: Annotated[
        Until | None, Query(alias="to", description="Happened before; a bare date includes that day")
    ] = None,
) -> EntryFilter:
    return EntryFilter(
        kind=kind,
        status=status,
        topic=topic.strip().lower() if topic else None,
        emotion=emotion,
        person_id=person_id,
        space_id=space_id,
        since=since,
        until=until,
    )


@router.post("", status_code=201, response_model=Entry, summary="Save an entry")
async def create(new: NewEntry, caller: Caller, service: Service, idempotency_key: IdempotencyKey = None) -> Response:
    """Save an entry. It is understood in the background: follow `GET /api/v1/entries/{id}/events`."""
    return _json(await service.create(caller, new, idempotency_key), 201)


@router.get("", response_model=EntryPage, summary="List entries, the latest first")
async def page(
    caller: Caller,
    service: Service,
    wanted: Annotated[EntryFilter, Depends(_wanted)],
    page_size: Annotated[int, Query(ge=1, le=100)] = 20,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:
    """Entries of every space the caller reads, narrowed by the filters; a long `body` is cut and `truncated` is true."""
    return _json(await service.page(caller, wanted, page_size, page_token))


@router.get("/{entry_id}", response_model=Entry, summary="Read an entry")
async def read(entry_id: UUID, caller: Caller, service: Service) -> Response:
    """An entry at its newest version, with insights, files and how far it is understood."""
    return _json(await service.read(caller, entry_id))


@router.patch("/{entry_id}", response_model=Entry, summary="Change an entry")
async def change(entry_id: UUID, wanted: EntryChange, caller: Caller, service: Service) -> Response:
    """Another `body` makes a new version, which is understood anew; corrections of insights stay."""
    return _json(await service.change(caller, entry_id, wanted))


@router.delete("/{entry_id}", status_code=204, summary="Delete an entry")
async def delete(entry_id: UUID, caller: Caller, service: Service) -> None:
    """The entry is gone at once, its vectors and files within moments."""
    await service.delete(caller, entry_id)


@router.post("/{entry_id}/retry", status_code=202, response_model=Entry, summary="Try a failed entry again")
async def retry(entry_id: UUID, caller: Caller, service: Service) -> Response:
    """Goes on at the step that failed, with a new stream of events."""
    return _json(await service.retry(caller, entry_id), 202)


@router.get("/{entry_id}/events", response_class=Response, responses=EVENT_STREAM, summary="Follow an entry's steps")
async def events(entry_id: UUID, caller: Caller, service: Service, follow: Follow, after: After) -> Response:
    """`step {step, state}` …, then `done` or `failed`; `cancelled` when a newer version took its place."""
    return await follow.response(caller, await service.stream_of(caller, entry_id), after)


@router.patch("/{entry_id}/insights", response_model=Entry, summary="Correct insights")
async def correct(entry_id: UUID, correction: InsightCorrection, caller: Caller, service: Service) -> Response:
    """What is given here wins over everything computed, now and after every change of the text."""
    return _json(await service.correct(caller, entry_id, correction))


@router.delete("/{entry_id}/insights/{field}", response_model=Entry, summary="Undo a correction")
async def undo_correction(entry_id: UUID, field: Field, caller: Caller, service: Service) -> Response:
    """Show what was computed again."""
    return _json(await service.undo_correction(caller, entry_id, field))


@router.get("/{entry_id}/versions", response_model=EntryVersions, summary="List an entry's versions")
async def versions(entry_id: UUID, caller: Caller, service: Service) -> Response:
    """The newest first."""
    return _json(await service.versions(caller, entry_id))


@router.get("/{entry_id}/versions/{number}", response_model=EntryVersionText, summary="Read one version")
async def version(
    entry_id: UUID, number: Annotated[int, Path(ge=1, le=2**31 - 1)], caller: Caller, service: Service
) -> Response:
    """The text that citations of this version point into."""
    return _json(await service.version(caller, entry_id, number))
