"""Stored files, runners, jobs and their tasks, worked on by workers that live in this process."""

import asyncio
import io
import zipfile
from datetime import datetime
from functools import cache
from typing import Annotated, Literal

from conversation import follow_stream
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import RedirectResponse
from identity import Strict, User, _user_row
from offers import COST, RUN_S, able, checked
from pydantic import Field
from shared.contracts.studio import Job, Requirements, Task
from state import WORLD, Refused, Row, Stream, new_id, now

router = APIRouter()
_FINISHED = ("done", "failed", "cancelled")


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _matching(user: str, space_id: str, query: str, since: str, until: str) -> list[Row]:
    found = [row for row in WORLD.uploads.values() if row.get("ready") and WORLD.role(user, row["space_id"])]
    found = [r for r in found if r["content_type"].startswith("image/") and query.lower() in r["filename"].lower()]
    found = [row for row in found if space_id in ("", row["space_id"])]
    found = [row for row in found if not since or _day(row["created_at"]) >= _day(since)]
    return [row for row in found if not until or _day(row["created_at"]) < _day(until)]


@router.get("/api/v1/uploads")
async def stored(
    user: User, request: Request, kind: Literal["photo", "audio", "document"], query: str = "", space_id: str = "",
    page_size: Annotated[int, Field(ge=1, le=500)] = 50, page_token: str = "",
) -> Row:  # fmt: skip
    params = request.query_params
    found = _matching(user, space_id, query, params.get("from", ""), params.get("to", ""))
    found = found[::-1]
    first = int(page_token or 0)
    more = str(first + page_size) if len(found) > first + page_size else None
    return {
        "uploads": [_file(r) for r in found[first : first + page_size]],
        "total": len(found),
        "next_page_token": more,
    }


class Photos(Strict):
    count: int
    name: str


@router.post("/control/photos", status_code=201)
async def photos(wanted: Photos, user: User) -> Row:
    """So many stored photos of one look, without sending each."""
    ids = []
    for number in range(wanted.count):
        row = {
            "id": new_id(), "owner": user, "filename": f"{wanted.name} {number}.png", "content_type": "image/png",
            "key": "k", "data": _dot(), "space_id": _user_row(user)["personal_space_id"], "created_at": now(),
            "ready": True,
        }  # fmt: skip
        row["size"] = row["got"] = len(row["data"])
        WORLD.uploads[row["id"]] = row
        ids.append(row["id"])
    return {"ids": ids}


@cache
def _dot() -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (32, 24), (43, 130, 107)).save(out, "PNG")
    return out.getvalue()


def _file(row: Row) -> Row:
    kept = {name: row[name] for name in ("id", "space_id", "filename", "content_type", "size", "created_at")}
    url = f"/api/v1/uploads/{row['id']}"
    return kept | {"status": "ready", "content_url": f"{url}/content", "thumbnail_url": f"{url}/thumbnail"}


class JobWanted(Strict):
    name: str = Field(min_length=1, max_length=200)
    kind: Literal["inference", "training"]
    runner: str
    params: Row = Field(default_factory=dict)
    requires: Requirements = Field(default_factory=Requirements)
    priority: int = Field(0, ge=-100, le=100)
    max_attempts: int = Field(3, ge=1, le=20)
    file_results: bool = False
    space_id: str | None = None


@router.post("/api/v1/jobs", status_code=201, response_model=Job)
async def make(wanted: JobWanted, user: User, idempotency_key: Annotated[str, Header()] = "") -> Row:
    again = WORLD.repeats.get((user, "job", idempotency_key))
    if idempotency_key and again is not None:
        return _shown(again)
    space = wanted.space_id or _user_row(user)["personal_space_id"]
    WORLD.writable(user, space)
    row = wanted.model_dump() | {
        "id": new_id(), "space_id": space, "owner_id": user, "params": checked(wanted.runner, wanted.params),
        "status": "draft", "tasks": [], "total": 0, "stream": None, "created_at": now(), "submitted_at": None, "started_at": None,
        "finished_at": None,
    }  # fmt: skip
    WORLD.jobs[row["id"]] = row
    WORLD.repeats[user, "job", idempotency_key] = row
    return _shown(row)


def _counts(row: Row) -> dict[str, int]:
    counts = dict.fromkeys(("queued", "processing", *_FINISHED), 0)
    for task in row["tasks"]:
        counts[task["status"]] += 1
    return counts


def _shown(row: Row) -> Row:
    cost = sum(task["cost_micros"] for task in row["tasks"])
    return row | {
        "counts": _counts(row), "total": len(row["tasks"]), "cost_micros": cost, "cost": cost / 1e6,
        "run_s": sum(task["run_s"] for task in row["tasks"]), "stream_id": row["stream"].id if row["stream"] else None,
    }  # fmt: skip


class InputFilter(Strict):
    kind: str = "photo"
    since: str = Field("", alias="from")
    until: str = Field("", alias="to")
    query: str = ""


class Inputs(Strict):
    input_paths: list[str] | None = Field(None, min_length=1, max_length=50_000)
    filter: InputFilter | None = None


@router.post("/api/v1/jobs/{job}/enqueue", response_model=None)
async def enqueue(job: str, wanted: Inputs, user: User, idempotency_key: Annotated[str, Header()] = "") -> Row:
    row = WORLD.readable(user, WORLD.jobs.get(job))
    again = WORLD.repeats.get((user, "enqueue", idempotency_key))
    if idempotency_key and again is not None:
        return {"created": len(row["tasks"]), "job": Job.model_validate(_shown(row)).model_dump(mode="json")}
    if (wanted.input_paths is None) == (wanted.filter is None):
        raise Refused(422, "invalid_request", "Give exactly one of input_paths and filter.")
    uploads = [_input(row, path) for path in wanted.input_paths or ()]
    if wanted.filter is not None:
        narrowed = wanted.filter
        uploads = _matching(user, row["space_id"], narrowed.query, narrowed.since, narrowed.until)
    if not uploads:
        raise Refused(422, "no_input_matches", "Widen the filter.")
    row["tasks"] += [_task(row, upload, row["total"] + n) for n, upload in enumerate(uploads)]
    row["total"] = len(row["tasks"])
    WORLD.repeats[user, "enqueue", idempotency_key] = row
    row["submitted_at"] = now()
    _begin(row)
    return {"created": len(uploads), "job": Job.model_validate(_shown(row)).model_dump(mode="json")}


def _input(row: Row, path: str) -> Row:
    upload: Row | None = WORLD.uploads.get(path)
    if upload is None or upload["space_id"] != row["space_id"]:
        raise Refused(422, "inputs_not_found", "Name files of the job's own space.")
    if not upload.get("ready"):
        raise Refused(422, "inputs_not_ready", "Complete the uploads first.")
    return upload


def _task(row: Row, upload: Row, seq: int) -> Row:
    task = {
        "id": new_id(), "job_id": row["id"], "seq": seq, "status": "queued", "attempt": 0, "failures": 0,
        "lease_losses": 0, "retry_at": None, "progress": None, "input_path": upload["id"],
        "input_name": upload["filename"], "output": None, "error": None, "worker": None, "metrics": None,
        "cost_micros": 0, "run_s": 0.0, "entry_id": None, "created_at": now(), "claimed_at": None, "finished_at": None,
        "space_id": row["space_id"],
    }  # fmt: skip
    WORLD.work[task["id"]] = task
    return task


def _begin(row: Row) -> None:
    row["status"], row["finished_at"] = "queued", None
    row["stream"] = Stream(row["owner_id"])
    WORLD.spawn(_work(row, row["stream"]))


async def _work(row: Row, stream: Stream) -> None:
    """Take the tasks one by one, as long as there is a worker; every step is one event."""
    while waiting := [task for task in row["tasks"] if task["status"] == "queued"]:
        if row["status"] == "cancelled":
            break
        if row["status"] == "paused" or not able(row["runner"], row["params"]):
            await asyncio.sleep(0.05)
            continue
        task = waiting[0]
        row["status"], row["started_at"] = "running", row["started_at"] or now()
        task |= {"status": "processing", "attempt": task["attempt"] + 1, "worker": "box-1", "claimed_at": now()}
        await _tell(row, stream, task)
        task["progress"] = 0.4
        await asyncio.sleep(WORLD.knobs.task_delay)
        if task["status"] == "processing":
            _finish(task)
        await _tell(row, stream, task)
    if row["status"] != "cancelled":
        row["status"] = "failed" if _counts(row)["failed"] else "done"
    row["finished_at"] = now()
    await stream.append(row["status"], _facts(row), last=True)


def _finish(task: Row) -> None:
    every = WORLD.knobs.fail_tasks
    task |= {"finished_at": now(), "run_s": RUN_S, "cost_micros": COST, "progress": None}
    if every and task["seq"] % every == every - 1:
        lines = ["Traceback (most recent call last):", "PIL.UnidentifiedImageError: cannot identify image file"]
        error = {"code": "input_unreadable", "detail": "The input is no picture.", "lines": lines}
        task |= {"status": "failed", "failures": task["failures"] + 1, "error": error}
    else:
        task |= {"status": "done", "output": _grey(WORLD.uploads[task["input_path"]]["data"]), "error": None}


def _grey(data: bytes) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("L").save(out, "PNG")
    return out.getvalue()


def _facts(row: Row) -> Row:
    shown = _shown(row)
    return {name: shown[name] for name in ("counts", "total", "cost_micros", "status")}


async def _tell(row: Row, stream: Stream, task: Row) -> None:
    seen = {name: task[name] for name in ("id", "seq", "status", "attempt", "progress", "worker", "error")}
    await stream.append("progress", _facts(row) | {"tasks": [seen]})


@router.get("/api/v1/jobs")
async def listing(user: User, page_size: int = 20, page_token: str = "") -> Row:
    found = [row for row in WORLD.jobs.values() if WORLD.role(user, row["space_id"])][::-1]
    first = int(page_token or 0)
    more = str(first + page_size) if len(found) > first + page_size else None
    rows = [Job.model_validate(_shown(row)).model_dump(mode="json") for row in found[first : first + page_size]]
    return {"jobs": rows, "next_page_token": more}


@router.get("/api/v1/jobs/{job}", response_model=Job)
async def one(job: str, user: User) -> Row:
    return _shown(WORLD.readable(user, WORLD.jobs.get(job)))


@router.get("/api/v1/jobs/{job}/tasks")
async def tasks(
    job: str, user: User, status: Literal["", "queued", "processing", "done", "failed", "cancelled"] = "",
    page_size: int = 50, page_token: str = "",
) -> Row:  # fmt: skip
    row = WORLD.readable(user, WORLD.jobs.get(job))
    found = [task for task in row["tasks"] if status in ("", task["status"])]
    first = int(page_token or 0)
    more = str(first + page_size) if len(found) > first + page_size else None
    return {"tasks": [_shown_task(task) for task in found[first : first + page_size]], "next_page_token": more}


def _shown_task(task: Row) -> Row:
    done = task["output"] is not None
    url = f"/api/v1/tasks/{task['id']}"
    row = task | {
        "input_url": f"{url}/input", "output_path": f"out/{task['id']}" if done else None,
        "output_name": f"{task['input_name'].rsplit('.', 1)[0]}.png" if done else None,
        "output_type": "image/png" if done else None, "output_size": len(task["output"]) if done else None,
        "output_url": f"{url}/output" if done else None,
    }  # fmt: skip
    return Task.model_validate(row).model_dump(mode="json")


@router.get("/api/v1/jobs/{job}/events")
async def events(job: str, user: User, request: Request) -> Response:
    stream = WORLD.readable(user, WORLD.jobs.get(job))["stream"]
    if stream is None:
        raise Refused(404, "stream_not_found", "The job was not submitted yet.")
    after = int(request.headers.get("last-event-id") or request.query_params.get("after") or 0)
    if stream.ended and after >= len(stream.events):
        return Response(status_code=204)
    return follow_stream(stream, request)


@router.post("/api/v1/jobs/{job}/results-link")
async def link(job: str, user: User, request: Request) -> Row:
    row = WORLD.readable(user, WORLD.jobs.get(job))
    if not _counts(row)["done"]:
        raise Refused(409, "no_results_yet", "No task of this job is done yet.")
    return {"url": f"{str(request.base_url).rstrip('/')}/zips/{job}.zip", "expires_at": now()}


def _filing(row: Row) -> Row:
    done = [task for task in row["tasks"] if task["status"] == "done"]
    kept = sum(bool(task.get("kept")) for task in done)
    return {"job_id": row["id"], "file_results": row["file_results"], "done": len(done), "filed": kept, "waiting": 0,
            "skipped": 0, "reasons": []}  # fmt: skip


@router.get("/api/v1/jobs/{job}/file-results")
async def filing(job: str, user: User) -> Row:
    return _filing(WORLD.readable(user, WORLD.jobs.get(job)))


@router.post("/api/v1/jobs/{job}/file-results", status_code=202)
async def keep(job: str, user: User) -> Row:
    row = WORLD.readable(user, WORLD.jobs.get(job))
    WORLD.writable(user, row["space_id"])
    for task in row["tasks"]:
        task["kept"] = task["status"] == "done"
    return _filing(row)


@router.delete("/api/v1/jobs/{job}", status_code=204)
async def delete(job: str, user: User) -> None:
    row = WORLD.readable(user, WORLD.jobs.get(job))
    WORLD.writable(user, row["space_id"])
    del WORLD.jobs[job]


@router.post("/api/v1/jobs/{job}/{order}", response_model=Job)
async def order(job: str, order: Literal["cancel", "pause", "resume", "retry-failed"], user: User) -> Row:
    row = WORLD.readable(user, WORLD.jobs.get(job))
    WORLD.writable(user, row["space_id"])
    allowed = {"cancel": ("draft", "queued", "running", "paused"), "pause": ("queued", "running"),
               "resume": ("paused",), "retry-failed": ("queued", "running", "paused", "failed")}  # fmt: skip
    if row["status"] not in allowed[order]:
        raise Refused(409, "job_state_forbids", f"A job that is {row['status']} cannot do this.")
    if order == "cancel":
        row["status"] = "cancelled"
        for task in row["tasks"]:
            if task["status"] in ("queued", "processing"):
                task |= {"status": "cancelled", "finished_at": now()}
    elif order == "pause":
        row["status"] = "paused"
    elif order == "resume":
        row["status"] = "queued"
    else:
        _again(row, [task for task in row["tasks"] if task["status"] == "failed"])
    return _shown(row)


def _again(row: Row, failed: list[Row]) -> None:
    for task in failed:
        task |= {"status": "queued", "failures": 0, "error": None, "finished_at": None}
    if row["status"] in _FINISHED:
        _begin(row)


@router.post("/api/v1/tasks/{task}/retry")
async def retry(task: str, user: User) -> Row:
    row = WORLD.readable(user, WORLD.work.get(task))
    if row["status"] != "failed":
        raise Refused(409, "task_not_failed", "Only a failed task can be tried again.")
    _again(WORLD.jobs[row["job_id"]], [row])
    return _shown_task(row)


@router.get("/api/v1/tasks/{task}/{form}")
async def lead(
    task: str,
    form: Literal["input", "output"],
    user: User,
    variant: Literal["original", "thumbnail", "display"] = "original",
) -> Response:
    row = WORLD.readable(user, WORLD.work.get(task))
    if form == "input":
        upload = WORLD.uploads[row["input_path"]]
        return RedirectResponse(f"/files/{upload['id']}/{upload['key']}", 302)
    if row["output"] is None:
        raise Refused(409, "task_has_no_output", "There is no result.")
    return RedirectResponse(f"/results/{task}.png", 302)


@router.get("/results/{task}.png")
async def result(task: str) -> Response:
    return Response(WORLD.work[task]["output"], media_type="image/png")


@router.get("/zips/{job}.zip")
async def zipped(job: str) -> Response:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for task in WORLD.jobs[job]["tasks"]:
            if task["output"] is not None:
                archive.writestr(f"{task['seq'] + 1:05d}.png", task["output"])
    headers = {"Content-Disposition": 'attachment; filename="results.zip"'}
    return Response(out.getvalue(), media_type="application/zip", headers=headers)
