"""What administrators see: usage, workers, queues, dead letters, worker tokens, hosts."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from identity import Strict, User, is_admin
from pydantic import Field
from state import WORLD, Refused, Row, new_id, now

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def _administrator(user: User) -> str:
    if not is_admin(user):
        raise Refused(403, "admin_only", "Only administrators may do this.")
    return user


Admin = Annotated[str, Depends(_administrator)]
router = APIRouter(prefix="/api/v1/admin")


@router.get("/usage")
async def usage(admin: Admin) -> Row:
    # `from` and `to` are keywords and optional; the peer counts everything it has seen.
    calls = [call for call in WORLD.calls if call["path"].startswith("/api/")]
    paths = sorted({(call["method"], call["path"].split("?")[0]) for call in calls})[:5]
    endpoint = {"calls": 1, "client_errors": 0, "server_errors": 0, "p50_ms": 2.1, "p95_ms": 9.4}
    model = {
        "user_id": admin, "email": "someone@example.com", "kind": "chat", "provider": "offline", "model": "extractive",
        "events": 3, "input_tokens": 1200, "output_tokens": 300, "cost_micros": 4200,
    }  # fmt: skip
    return {
        "since": now(), "until": now(), "calls": len(calls), "people": len(WORLD.users), "p50_ms": 2.4, "p95_ms": 11.0,
        "client_errors": sum(400 <= call["status"] < 500 for call in calls),
        "server_errors": sum(call["status"] >= 500 for call in calls), "cost_micros": 4200,
        "endpoints": [{"method": m, "endpoint": p} | endpoint for m, p in paths], "models": [model],
    }  # fmt: skip


@router.get("/workers")
async def workers(admin: Admin) -> Row:
    shown = {
        "token_id": "k3v9x2m4p7q1", "token_name": "box", "version": "0.1.0", "registered_at": now(), "seen_at": now(),
        "draining": False, "stopped_at": None, "online": True, "status": "idle", "processing": 0,
        "capabilities": {"runners": [{"name": "image"}], "gpu_name": None, "gpu_memory_gib": 0, "gpu_count": 0},
    }  # fmt: skip
    return {"workers": [{"id": new_id(), "worker_id": f"box-{n + 1}"} | shown for n in range(WORLD.knobs.workers)]}


@router.get("/queues")
async def queues(admin: Admin) -> Row:
    waiting = [task for task in WORLD.work.values() if task["status"] == "queued"]
    row = {"runner": "image", "requires": {}, "queued": len(waiting), "delayed": 0, "held": 0, "processing": 0}
    return {"queues": [row | {"id": 1, "oldest_queued_at": waiting[0]["created_at"]}] if waiting else []}


@router.get("/dead-letters")
async def letters(admin: Admin) -> Row:
    failed = [task for task in WORLD.work.values() if task["status"] == "failed"]
    return {"dead_letters": [_letter(task) for task in failed], "next_page_token": None}


def _letter(task: Row) -> Row:
    return {
        "id": f"task-{task['id']}", "kind": "task", "name": "image", "destination": "worker", "can_retry": True,
        "attempts": task["attempt"], "error": task["error"]["code"], "created_at": task["finished_at"],
        "job_id": task["job_id"], "space_id": task["space_id"],
    }  # fmt: skip


@router.post("/dead-letters/{letter}/retry", status_code=204)
async def resend(letter: str, admin: Admin) -> Response:
    from studio import _again

    task = WORLD.work.get(letter.removeprefix("task-"))
    if task is None or task["status"] != "failed":
        raise Refused(404, "dead_letter_not_found", "It may have been tried again.")
    _again(WORLD.jobs[task["job_id"]], [task])
    return Response(status_code=204)


class TokenWanted(Strict):
    name: str = Field(min_length=1, max_length=100)
    runners: list[str] | None = None
    space_ids: list[str] | None = None
    expires_in_days: int = Field(90, ge=1, le=3650)


@router.get("/worker-tokens")
async def tokens(admin: Admin) -> Row:
    return {"worker_tokens": list(WORLD.worker_tokens.values())}


def _secret(row: Row) -> Row:
    expires = (datetime.now(UTC) + timedelta(days=90)).isoformat()
    row["versions"] = [
        *row["versions"],
        {"version": len(row["versions"]) + 1, "created_at": now(), "expires_at": expires},
    ]
    return row | {"token": f"wk_{row['id']}_{secrets.token_urlsafe(32)}"}


@router.post("/worker-tokens", status_code=201)
async def create(wanted: TokenWanted, admin: Admin) -> Row:
    row = {
        "id": "".join(secrets.choice(_ALPHABET) for _ in range(12)), "name": wanted.name, "runners": wanted.runners,
        "space_ids": wanted.space_ids, "created_at": now(), "revoked_at": None, "last_used_at": None, "versions": [],
    }  # fmt: skip
    WORLD.worker_tokens[row["id"]] = row
    return _secret(row)


def _token(token: str) -> Row:
    row = WORLD.worker_tokens.get(token)
    if row is None or row["revoked_at"]:
        raise Refused(404, "worker_token_not_found", "There is no such token.")
    return row


@router.post("/worker-tokens/{token}/rotate", status_code=201)
async def rotate(token: str, admin: Admin) -> Row:
    return _secret(_token(token))


@router.delete("/worker-tokens/{token}", status_code=204)
async def revoke(token: str, admin: Admin) -> Response:
    _token(token)["revoked_at"] = now()
    return Response(status_code=204)


@router.get("/hosts")
async def hosts(admin: Admin) -> Row:
    return {"hosts": []}
