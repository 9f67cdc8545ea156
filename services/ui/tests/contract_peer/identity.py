"""Tickets, sessions, tokens, spaces and people."""

import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict
from shared.contracts.identity import Me
from state import WORLD, Refused, Row, new_id, now

router = APIRouter()


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


def person(authorization: Annotated[str, Header()] = "") -> str:
    """The user behind the bearer token."""
    token = WORLD.tokens.get(authorization.removeprefix("Bearer "))
    if token is None or token["until"] < time.monotonic() or token["session"] not in WORLD.sessions:
        raise Refused(401, "unauthenticated", "Send a valid bearer token.")
    return str(token["user"])


User = Annotated[str, Depends(person)]


def session_of(authorization: Annotated[str, Header()] = "") -> str:
    return str(WORLD.tokens[authorization.removeprefix("Bearer ")]["session"])


class TicketWanted(Strict):
    email: str
    password: str
    sign_up: bool = False
    name: str = ""


def _sign_up(wanted: TicketWanted) -> None:
    if wanted.email in WORLD.users:
        raise Refused(422, "user_already_exists", "Sign in instead.")
    if len(wanted.password) < 8:
        raise Refused(422, "weak_password", "Use at least eight characters.")
    user = {"id": new_id(), "email": wanted.email, "password": wanted.password, "name": wanted.name}
    space = {"id": new_id(), "name": wanted.name or wanted.email, "kind": "personal", "members": {user["id"]: "owner"}}
    WORLD.spaces[space["id"]] = space
    WORLD.users[wanted.email] = user | {"personal_space_id": space["id"]}


@router.post("/api/v1/ui/tickets", status_code=201)
async def tickets(wanted: TicketWanted, request: Request) -> Row:
    if wanted.password == "too-often":
        raise Refused(429, "over_request_rate_limit", "Wait a minute.")
    if wanted.sign_up:
        _sign_up(wanted)
    user = WORLD.users.get(wanted.email)
    if user is None or user["password"] != wanted.password:
        raise Refused(400, "invalid_credentials", "Check the email and the password.")
    ticket = secrets.token_urlsafe(24)
    WORLD.tickets[ticket] = {"user": user["id"], "agent": request.headers.get("user-agent", "")}
    return {"ticket": ticket, "expires_in": 30}


class Ticket(Strict):
    ticket: str


@router.post("/api/v1/ui/sessions", status_code=201)
async def open_session(wanted: Ticket) -> Row:
    issued = WORLD.tickets.pop(wanted.ticket, None)
    if issued is None:
        raise Refused(401, "ticket_invalid", "A ticket works once, for thirty seconds.")
    handle = secrets.token_urlsafe(32)
    WORLD.sessions[handle] = issued | {"id": new_id(), "created_at": now(), "last_used_at": now()}
    return {"session": handle, "max_age": 30 * 24 * 3600}


class Handle(Strict):
    session: str


@router.post("/api/v1/ui/sessions/token")
async def token(wanted: Handle) -> Row:
    session = WORLD.sessions.get(wanted.session)
    if session is None:
        raise Refused(401, "session_ended", "Sign in again.")
    access = secrets.token_urlsafe(16)
    session["last_used_at"] = now()
    WORLD.tokens[access] = {"user": session["user"], "session": wanted.session, "until": time.monotonic() + 300}
    return {"access_token": access, "expires_at": int(time.time()) + 300}


@router.delete("/api/v1/ui/sessions", status_code=204)
async def close_session(wanted: Handle) -> Response:
    WORLD.sessions.pop(wanted.session, None)
    return Response(status_code=204)


@router.get("/api/v1/ui/sessions")
async def own_sessions(user: User, mine: Annotated[str, Depends(session_of)]) -> Row:
    rows = [
        {
            "id": row["id"],
            "created_at": row["created_at"],
            "last_used_at": row["last_used_at"],
            "user_agent": row["agent"],
            "current": handle == mine,
        }
        for handle, row in WORLD.sessions.items()
        if row["user"] == user
    ]
    return {"sessions": rows}


@router.post("/api/v1/ui/sessions/revoke-all", status_code=204)
async def sign_out_everywhere(user: User) -> Response:
    for handle in [h for h, row in WORLD.sessions.items() if row["user"] == user]:
        del WORLD.sessions[handle]
    return Response(status_code=204)


def _user_row(user: str) -> Row:
    return next(row for row in WORLD.users.values() if row["id"] == user)


def is_admin(user: str) -> bool:
    """Whoever signs up under this name administers."""
    return bool(_user_row(user)["name"] == "관리자")


def _space(user: str, row: Row) -> Row:
    return {"id": row["id"], "name": row["name"], "kind": row["kind"], "role": row["members"][user]}


@router.get("/api/v1/me", response_model=Me)
async def me(user: User) -> Row:
    row = _user_row(user)
    spaces = [_space(user, space) for space in WORLD.spaces.values() if user in space["members"]]
    shown = {"id": user, "email": row["email"], "display_name": row["name"] or None, "is_admin": is_admin(user)}
    return {"user": shown, "personal_space_id": row["personal_space_id"], "spaces": spaces}


class Erasure(Strict):
    password: str


@router.delete("/api/v1/me", status_code=204)
async def erase(wanted: Erasure, user: User) -> Response:
    email, row = next((email, row) for email, row in WORLD.users.items() if row["id"] == user)
    if wanted.password != row["password"]:
        raise Refused(400, "invalid_credentials", "The password is not right.")
    alone = [space for space in WORLD.spaces.values() if set(space["members"]) == {user}]
    owners = [space for space in WORLD.spaces.values() if space not in alone and space["members"].get(user) == "owner"]
    if any(list(space["members"].values()).count("owner") == 1 for space in owners):
        raise Refused(409, "spaces_need_an_owner", "Hand these spaces over first.")
    for space in alone:
        del WORLD.spaces[space["id"]]
    del WORLD.users[email]
    for handle in [h for h, session in WORLD.sessions.items() if session["user"] == user]:
        del WORLD.sessions[handle]
    return Response(status_code=204)


class SpaceWanted(Strict):
    name: str


@router.get("/api/v1/spaces")
async def spaces(user: User) -> Row:
    return {"spaces": [_space(user, s) for s in WORLD.spaces.values() if user in s["members"]], "next_page_token": None}


@router.post("/api/v1/spaces", status_code=201)
async def add_space(wanted: SpaceWanted, user: User) -> Row:
    row = {"id": new_id(), "name": wanted.name, "kind": "shared", "members": {user: "owner"}}
    WORLD.spaces[row["id"]] = row
    return _space(user, row)


def _own(user: str, space: str) -> Row:
    role = WORLD.role(user, space)
    if role != "owner":
        raise Refused(403 if role else 404, "forbidden" if role else "not_found", "Only owners may do this.")
    return WORLD.spaces[space]


class MemberWanted(Strict):
    email: str
    role: str


@router.get("/api/v1/spaces/{space}/members")
async def members(space: str, user: User) -> Row:
    if WORLD.role(user, space) is None:
        raise Refused(404, "not_found", "There is no such space.")
    emails = {row["id"]: row["email"] for row in WORLD.users.values()}
    found = WORLD.spaces[space]["members"].items()
    return {
        "members": [{"user_id": who, "email": emails[who], "role": role, "created_at": now()} for who, role in found]
    }


@router.post("/api/v1/spaces/{space}/members", status_code=201)
async def invite(space: str, wanted: MemberWanted, user: User) -> Row:
    row = _own(user, space)
    other = WORLD.users.get(wanted.email)
    if other is None:
        raise Refused(404, "user_not_found", "Nobody has signed up with this email.")
    if wanted.role not in ("owner", "editor", "viewer"):
        raise Refused(422, "role_unknown", "Use owner, editor or viewer.")
    row["members"][other["id"]] = wanted.role
    return {"user_id": other["id"], "email": wanted.email, "role": wanted.role}


@router.delete("/api/v1/spaces/{space}/members/{who}", status_code=204)
async def dismiss(space: str, who: str, user: User) -> Response:
    _own(user, space)["members"].pop(who, None)
    return Response(status_code=204)


class PersonWanted(Strict):
    name: str
    relation: str | None = None
    birth_date: str | None = None
    space_id: str | None = None


@router.get("/api/v1/people")
async def people(user: User) -> Row:
    rows: list[Any] = [row for row in WORLD.people.values() if WORLD.role(user, row["space_id"])]
    return {"people": rows, "next_page_token": None}


@router.post("/api/v1/people", status_code=201)
async def add_person(wanted: PersonWanted, user: User) -> Row:
    space = wanted.space_id or _user_row(user)["personal_space_id"]
    WORLD.writable(user, space)
    row = {"id": new_id(), **wanted.model_dump(), "space_id": space, "created_at": now(), "updated_at": now()}
    WORLD.people[row["id"]] = row
    return row


@router.delete("/api/v1/people/{who}", status_code=204)
async def remove_person(who: str, user: User) -> Response:
    WORLD.readable(user, WORLD.people.get(who))
    del WORLD.people[who]
    return Response(status_code=204)
