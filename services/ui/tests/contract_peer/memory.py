"""Uploads, entries with their steps, insights and the overview."""

import asyncio
import re
import secrets
from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import RedirectResponse
from identity import Strict, User, _user_row
from pydantic import Field
from shared.contracts.memory import Entry, EntryPage, EntryVersionText, InsightsOverview, SearchResult
from state import WORLD, Refused, Row, Stream, new_id, now

router = APIRouter()
STEPS = ("parse", "chunk", "embed", "index", "insights")
_FEELINGS = {
    "기뻤": "joy", "웃": "joy", "happy": "joy", "laugh": "joy", "고마": "gratitude", "thank": "gratitude",
    "걱정": "worry", "worr": "worry", "피곤": "tiredness", "tired": "tiredness", "슬": "sadness", "sad": "sadness",
    "평온": "calm", "quiet": "calm", "calm": "calm", "자랑": "pride", "proud": "pride",
}  # fmt: skip


class UploadWanted(Strict):
    filename: str = Field(min_length=1, max_length=255)
    content_type: str
    size: int = Field(gt=0)
    sha256: str | None = None
    space_id: str | None = None
    multipart: bool = False


@router.post("/api/v1/uploads", status_code=201)
async def begin_upload(wanted: UploadWanted, user: User, request: Request) -> Row:
    if WORLD.knobs.fail_uploads or wanted.content_type == "application/octet-stream":
        raise Refused(422, "upload_type_mismatch", "This type is not accepted.")
    row = {
        "id": new_id(),
        "owner": user,
        **wanted.model_dump(),
        "key": secrets.token_urlsafe(12),
        "got": 0,
        "data": b"",
        "parts": {},
        "parts_sent": [],
        "space_id": wanted.space_id or _user_row(user)["personal_space_id"],
        "created_at": now(),
    }
    WORLD.uploads[row["id"]] = row
    headers = {"Content-Type": wanted.content_type}
    url = f"{str(request.base_url).rstrip('/')}/files/{row['id']}/{row['key']}"
    ticket = {"id": row["id"], "url": url, "method": "PUT", "headers": headers, "expires_at": now()}
    large = wanted.multipart and 0 < WORLD.knobs.part_size < wanted.size
    row["part_size"] = WORLD.knobs.part_size if large else None
    return ticket | (_parts(row, str(request.base_url)) if large else {})


def _parts(row: Row, base: str) -> Row:
    """The next parts that are missing, each with an address that is good once it is given."""
    step, size = row["part_size"], row["size"]
    count = -(-size // step)
    missing = [number for number in range(1, count + 1) if number not in row["parts"]]
    row["round"] = row.get("round", 0) + 1
    address = f"{base.rstrip('/')}/files/{row['id']}/{row['key']}/{row['round']}"
    parts = [
        {
            "number": number, "url": f"{address}/{number}", "method": "PUT", "headers": {},
            "size": min(step, size - (number - 1) * step), "expires_at": now(),
        }
        for number in missing[: WORLD.knobs.parts_at_once]
    ]  # fmt: skip
    return {"part_size": step, "part_count": count, "received": sorted(row["parts"]), "parts": parts}


@router.get("/api/v1/uploads/{upload}/parts")
async def missing_parts(upload: str, user: User, request: Request) -> Row:
    row = WORLD.uploads.get(upload)
    if row is None or row["owner"] != user or not row["part_size"]:
        raise Refused(404, "not_found", "There is no such upload.")
    return {"id": upload, **_parts(row, str(request.base_url))}


@router.put("/files/{upload}/{key}/{asked}/{number}")
async def receive_part(upload: str, key: str, asked: int, number: int, request: Request) -> Response:
    row = WORLD.uploads.get(upload)
    body = await request.body()
    if WORLD.knobs.fail_parts:
        WORLD.knobs.fail_parts -= 1
        return Response(status_code=503)
    if WORLD.knobs.refuse_parts:
        WORLD.knobs.refuse_parts -= 1
        raise Refused(403, "link_expired", "The address has expired.")
    step = row["part_size"] if row else 0
    if (
        row is None
        or row["key"] != key
        or asked != row["round"]
        or len(body) != min(step, row["size"] - (number - 1) * step)
    ):
        raise Refused(403, "signature_invalid", "The address does not fit.")
    row["parts"][number] = body
    row["parts_sent"].append(number)
    return Response(status_code=200)


@router.put("/files/{upload}/{key}")
async def receive(upload: str, key: str, request: Request) -> Response:
    row = WORLD.uploads.get(upload)
    if row is None or row["key"] != key or request.headers.get("content-type") != row["content_type"]:
        raise Refused(403, "signature_invalid", "The address does not fit.")
    async for piece in request.stream():
        row["got"] += len(piece)
        if row["size"] < 8_000_000:
            row["data"] += piece
    return Response(status_code=200)


@router.get("/files/{upload}/{key}")
async def send(upload: str, key: str) -> Response:
    row = WORLD.uploads.get(upload)
    if row is None or row["key"] != key:
        raise Refused(403, "signature_invalid", "The address does not fit.")
    return Response(row["data"], media_type=row["content_type"])


@router.get("/api/v1/uploads/{upload}/{form}")
async def lead(upload: str, form: Literal["content", "thumbnail"], user: User) -> Response:
    row = WORLD.uploads.get(upload)
    holders = [
        entry for entry in WORLD.entries.values() if upload in entry["uploads"] and WORLD.role(user, entry["space_id"])
    ]
    if row is None or not (holders or row["owner"] == user):
        raise Refused(404, "not_found", "There is no such file.")
    return RedirectResponse(f"/files/{upload}/{row['key']}", 302)


@router.post("/api/v1/uploads/{upload}/complete")
async def complete(upload: str, user: User) -> Row:
    row = WORLD.uploads.get(upload)
    if row is None or row["owner"] != user:
        raise Refused(404, "not_found", "There is no such upload.")
    if row["parts"]:
        row["data"] = b"".join(row["parts"][number] for number in sorted(row["parts"]))
        row["got"] = len(row["data"])
    if row["got"] != row["size"]:
        raise Refused(422, "upload_size_mismatch", "Send the whole file.")
    row["ready"] = True
    return {"id": upload, "status": "ready", "sha256": "0" * 64}


class EntryWanted(Strict):
    kind: Literal["note", "photo", "audio", "document"]
    body: str = ""
    title: str = ""
    occurred_at: datetime | None = None
    space_id: str | None = None
    person_id: str | None = None
    uploads: list[str] = Field(default_factory=list)


@router.post("/api/v1/entries", status_code=201, response_model=Entry)
async def write(wanted: EntryWanted, user: User, idempotency_key: Annotated[str, Header()] = "") -> Row:
    await asyncio.sleep(WORLD.knobs.write_delay)
    again = WORLD.repeats.get((user, "entry", idempotency_key))
    if idempotency_key and again is not None:
        return _shown(WORLD.entries[again["id"]])
    space = wanted.space_id or _user_row(user)["personal_space_id"]
    WORLD.writable(user, space)
    if wanted.kind == "note" and not wanted.body.strip():
        raise Refused(422, "entry_empty", "Write something.")
    if any(not WORLD.uploads.get(upload, {}).get("ready") for upload in wanted.uploads):
        raise Refused(422, "upload_not_ready", "Complete the uploads first.")
    at = wanted.occurred_at.isoformat() if wanted.occurred_at else now()
    row = wanted.model_dump() | {
        "id": new_id(), "version": 1, "space_id": space, "author_id": user, "note": wanted.body,
        "occurred_at": at, "created_at": now(), "status": "processing", "insights": None, "error": None,
    }  # fmt: skip
    row["versions"] = {1: row["body"]}
    WORLD.entries[row["id"]] = row
    WORLD.repeats[user, "entry", idempotency_key] = row
    _understand(row)
    return _shown(row)


def _understand(row: Row) -> None:
    row["status"], row["error"], row["states"], row["updated_at"] = "processing", None, {}, now()
    row["stream"] = Stream(row["author_id"])
    WORLD.spawn(_steps(row, row["stream"]))


async def _steps(row: Row, stream: Stream) -> None:
    for step in STEPS:
        row["states"][step] = "running"
        await stream.append("step", {"step": step, "state": "running"})
        await asyncio.sleep(WORLD.knobs.step_delay)
        if WORLD.knobs.fail_entries and step == "parse":
            row["status"] = "failed"
            row["error"] = {"code": "file_encrypted", "detail": "The file is locked with a password."}
            await stream.append("failed", row["error"], last=True)
            return
        row["states"][step] = "done"
        await stream.append("step", {"step": step, "state": "done"})
    put_right = row.get("corrected", {})
    row["insights"] = _insights(row["body"]) | put_right | {"corrected": list(put_right)}
    row["status"] = "ready"
    await stream.append("done", {"entry_id": row["id"]}, last=True)


def _insights(body: str) -> Row:
    sentences = [s.strip() for s in re.split(r"(?<=[.!?다요])\s+", body) if s.strip()]
    words = Counter(w.lower() for w in re.findall(r"[가-힣]{2,}|[A-Za-z]{4,}", body))
    feelings = dict.fromkeys(label for stem, label in _FEELINGS.items() if stem in body.lower())
    return {
        "summary": " ".join(sentences[:2])[:240],
        "topics": [word for word, _ in words.most_common(3)],
        "emotions": [{"label": label, "score": round(0.9 - 0.2 * n, 2)} for n, label in enumerate(feelings)],
        "people": [],
        "dates": [],
        "provider": "offline",
        "model": "extractive",
    }


def _attachment(upload: str) -> Row:
    row = WORLD.uploads[upload]
    url = f"/api/v1/uploads/{upload}"
    picture = row["content_type"].startswith("image/")
    return {
        "upload_id": upload, "filename": row["filename"], "content_type": row["content_type"], "size": row["size"],
        "meta": {}, "content_url": f"{url}/content", "thumbnail_url": f"{url}/thumbnail" if picture else None,
        "extracted_by": None, "error": None,
    }  # fmt: skip


def _shown(row: Row) -> Row:
    steps = [{"step": step, "state": state} for step, state in row["states"].items()]
    attachments = [_attachment(upload) for upload in row["uploads"]]
    return row | {
        "attachments": attachments,
        "steps": steps,
        "stream_id": row["stream"].id,
        "title": row["title"] or None,
    }


@router.get("/api/v1/entries", response_model=EntryPage)
async def entries(
    user: User, request: Request, page_size: int = 20, page_token: str = "", kind: str = "", topic: str = "",
    emotion: str = "", person_id: str = "", space_id: str = "",
) -> Row:  # fmt: skip
    since, until = request.query_params.get("from", ""), request.query_params.get("to", "")
    found = [row for row in WORLD.entries.values() if WORLD.role(user, row["space_id"])]
    wanted = {"kind": kind, "person_id": person_id, "space_id": space_id}
    found = [row for row in found if all(not v or row[k] == v for k, v in wanted.items())]
    found = [row for row in found if not topic or topic in (row["insights"] or {}).get("topics", ())]
    found = [row for row in found if not emotion or emotion in _labels(row)]
    found = [row for row in found if not since or _at(row) >= datetime.fromisoformat(since)]
    found = [row for row in found if not until or _at(row) < datetime.fromisoformat(until)]
    found.sort(key=_at, reverse=True)
    first = int(page_token or 0)
    more = str(first + page_size) if len(found) > first + page_size else None
    return {"entries": [_shown(row) for row in found[first : first + page_size]], "next_page_token": more}


def _labels(row: Row) -> list[str]:
    return [e["label"] for e in (row["insights"] or {}).get("emotions", ())]


def _at(row: Row) -> datetime:
    return datetime.fromisoformat(row["occurred_at"])


@router.get("/api/v1/entries/{entry}", response_model=Entry)
async def one(entry: str, user: User) -> Row:
    return _shown(WORLD.readable(user, WORLD.entries.get(entry)))


@router.get("/api/v1/entries/{entry}/events")
async def events(entry: str, user: User, request: Request) -> Response:
    from conversation import follow_stream

    return follow_stream(WORLD.readable(user, WORLD.entries.get(entry))["stream"], request)


@router.get("/api/v1/entries/{entry}/versions/{version}", response_model=EntryVersionText)
async def version_text(entry: str, version: int, user: User) -> Row:
    row = WORLD.readable(user, WORLD.entries.get(entry))
    if version not in row["versions"]:
        raise Refused(404, "not_found", "There is no such version.")
    text = {"title": None, "note": row["versions"][version], "body": row["versions"][version]}
    return text | {"entry_id": entry, "version": version, "created_by": user, "created_at": now(), "current": False}


class Change(Strict):
    body: str | None = None
    title: str | None = None
    occurred_at: datetime | None = None
    person_id: str | None = None


@router.patch("/api/v1/entries/{entry}", response_model=Entry)
async def change(entry: str, wanted: Change, user: User) -> Row:
    row = WORLD.readable(user, WORLD.entries.get(entry))
    WORLD.writable(user, row["space_id"])
    fields = wanted.model_dump(exclude_unset=True, mode="json")
    row.update(fields)
    if "body" in fields:
        row["note"] = fields["body"]
        row["version"] += 1
        row["versions"][row["version"]] = row["body"]
        _understand(row)
    return _shown(row)


@router.delete("/api/v1/entries/{entry}", status_code=204)
async def remove(entry: str, user: User) -> Response:
    row = WORLD.readable(user, WORLD.entries.get(entry))
    WORLD.writable(user, row["space_id"])
    del WORLD.entries[entry]
    return Response(status_code=204)


@router.post("/api/v1/entries/{entry}/retry", status_code=202, response_model=Entry)
async def retry(entry: str, user: User) -> Row:
    row = WORLD.readable(user, WORLD.entries.get(entry))
    _understand(row)
    return _shown(row)


class Correction(Strict):
    summary: str | None = None
    topics: list[str] | None = None
    emotions: list[Row] | None = None
    people: list[str] | None = None
    dates: list[str] | None = None


@router.patch("/api/v1/entries/{entry}/insights", response_model=Entry)
async def correct(entry: str, wanted: Correction, user: User) -> Row:
    row = WORLD.readable(user, WORLD.entries.get(entry))
    row.setdefault("corrected", {}).update(wanted.model_dump(exclude_unset=True))
    row["insights"] = row["insights"] | row["corrected"] | {"corrected": list(row["corrected"])}
    return _shown(row)


@router.get("/api/v1/insights/overview", response_model=InsightsOverview)
async def overview(user: User, request: Request, tz: str = "UTC", space_id: str = "", person_id: str = "") -> Row:
    since, until = (datetime.fromisoformat(request.query_params[name]) for name in ("from", "to"))
    rows = [row for row in WORLD.entries.values() if WORLD.role(user, row["space_id"])]
    rows = [row for row in rows if since <= _at(row) < until and space_id in ("", row["space_id"])]
    rows = [row for row in rows if person_id in ("", row["person_id"])]
    local = {row["id"]: _at(row).astimezone(ZoneInfo(tz)).date() for row in rows}
    topics = Counter(topic for row in rows for topic in (row["insights"] or {}).get("topics", ()))
    weeks = {key: (day - timedelta(days=day.weekday())).isoformat() for key, day in local.items()}
    moods = Counter((weeks[row["id"]], label) for row in rows for label in _labels(row))
    days = Counter(day.isoformat() for day in local.values())
    return {
        "topics": [{"topic": topic, "count": count} for topic, count in topics.most_common(12)],
        "moods": [{"week": w, "label": label, "score": 0.7, "count": n} for (w, label), n in sorted(moods.items())],
        "days": [{"date": day, "count": n} for day, n in days.items()],
    }


class Filters(Strict):
    kind: str | None = None
    topics: list[str] = Field(default_factory=list)
    emotions: list[str] = Field(default_factory=list)
    person_id: str | None = None


class SearchWanted(Strict):
    query: str = Field(min_length=1)
    space_ids: list[str] = Field(default_factory=list)
    filters: Filters = Field(default_factory=Filters)
    limit: int = 10


@router.post("/api/v1/search", response_model=SearchResult)
async def search(wanted: SearchWanted, user: User) -> Row:
    from conversation import evidence

    hits = []
    for hit in evidence(user, wanted.query)[: wanted.limit]:
        row = hit["row"]
        if wanted.filters.kind not in (None, row["kind"]):
            continue
        copied = {name: row[name] for name in ("version", "occurred_at", "kind", "space_id")}
        place = {"entry_id": row["id"], "chunk_id": new_id(), "title": row["title"] or None, "score": 1.0}
        text = {"text": hit["quote"], "start": hit["start"], "end": hit["start"] + len(hit["quote"])}
        hits.append(copied | place | text)
    return {"hits": hits}
