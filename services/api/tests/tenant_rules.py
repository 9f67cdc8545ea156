"""Whom each route is for: the rules that every route is held to, with what is sent to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from shared.testing.identity import Somebody

SECRET = "비밀의 마루 이야기"


class Outcome(Enum):
    """What a caller is to meet."""

    FINE = "2xx, 3xx"
    REFUSED = "403"
    ABSENT = "404"
    REACHED = "anything but 401, 403, 404, 405 and 5xx"
    ANY = "not asked"

    def holds(self, status: int) -> bool:
        match self:
            case Outcome.FINE:
                return status < 400
            case Outcome.REFUSED:
                return status == 403
            case Outcome.ABSENT:
                return status == 404
            case Outcome.REACHED:
                return status < 500 and status not in {401, 403, 404, 405}
            case Outcome.ANY:
                return True


FINE, REFUSED, ABSENT, REACHED, ANY = Outcome


@dataclass(frozen=True)
class Household:
    """An owner with a shared space, a viewer in it, and a stranger; `ids` fill paths, `private` is the owner's alone."""

    owner: Somebody
    viewer: Somebody
    stranger: Somebody
    space: str
    ids: dict[str, str]
    private: frozenset[str]
    database_url: str

    @property
    def secrets(self) -> frozenset[str]:
        """What a stranger must find in no answer."""
        return frozenset({*self.ids.values(), SECRET, self.owner.email, self.owner.space_id}) - {"1", "summary"}


Body = Callable[[Household], Any]


@dataclass(frozen=True)
class Rule:
    """Whom a route is for. `streams`: the answer only ends with its subject, so whoever may follow asks from an impossible position."""

    stranger: Outcome
    viewer: Outcome
    owner: Outcome = REACHED
    body: Body | None = None
    query: Body = field(default=lambda _: {})
    streams: bool = False


def note(house: Household) -> Any:
    return {"kind": "note", "body": "x", "space_id": house.space}


def in_space(house: Household) -> Any:
    return {"space_id": house.space}


def body(**fields: Any) -> Body:
    return lambda _: fields


def reads(**options: Any) -> Rule:
    """Something of the space: members see it."""
    return Rule(ABSENT, REACHED, **options)


def writes(**options: Any) -> Rule:
    """Something of the space: editors and owners change it."""
    return Rule(ABSENT, REFUSED, **options)


def private(**options: Any) -> Rule:
    """The owner's alone."""
    return Rule(ABSENT, ABSENT, **options)


def own(**options: Any) -> Rule:
    """Everybody's own; whatever comes back is not the household's."""
    return Rule(FINE, FINE, **options)


OPEN = {
    "GET /health", "GET /health/ready", "POST /auth/v1/signup", "POST /auth/v1/token", "GET /auth/v1/.well-known/jwks.json",
    "GET /auth/v1/settings", "GET /auth/v1/health", "POST /api/v1/auth/token", "POST /api/v1/ui/tickets", "POST /api/v1/ui/sessions",
    "POST /api/v1/ui/sessions/token", "DELETE /api/v1/ui/sessions",
    # Whoever holds the signed address may; without a signature they are refused (see the test of files).
    "PUT /files/{key}", "GET /files/{key}", "GET /downloads/jobs/{job_id}/results.zip",
}  # fmt: skip

# In this order for the owner, who at the end deletes: what stands first must not take away what comes later.
RULES: dict[str, Rule] = {
    "GET /auth/v1/user": own(),
    "PUT /auth/v1/user": own(body=body(data={"theme": "dark"})),
    "GET /api/v1/me": own(),
    "PATCH /api/v1/me": own(body=body(locale="ko")),
    "DELETE /api/v1/me": Rule(REACHED, REACHED, body=body(password="not the password")),
    "GET /api/v1/spaces": own(),
    "POST /api/v1/spaces": own(body=body(name="x")),
    "GET /api/v1/spaces/{space_id}": reads(),
    "PATCH /api/v1/spaces/{space_id}": writes(body=body(name="x")),
    "GET /api/v1/spaces/{space_id}/members": reads(),
    "POST /api/v1/spaces/{space_id}/members": writes(body=lambda house: {"email": house.stranger.email}),
    "PATCH /api/v1/spaces/{space_id}/members/{user_id}": writes(body=body(role="editor")),
    "GET /api/v1/people": own(),
    "GET /api/v1/people?space": reads(query=in_space),
    "POST /api/v1/people": writes(body=lambda house: {"name": "x", "space_id": house.space}),
    "GET /api/v1/people/{person_id}": reads(),
    "PATCH /api/v1/people/{person_id}": writes(body=body(name="x")),
    "GET /api/v1/admin/api-logs": Rule(REFUSED, REFUSED, REFUSED),
    "GET /api/v1/admin/usage": Rule(REFUSED, REFUSED, REFUSED),
    "GET /api/v1/admin/worker-tokens": Rule(REFUSED, REFUSED, REFUSED),
    "POST /api/v1/admin/worker-tokens": Rule(REFUSED, REFUSED, REFUSED, body=body(name="x")),
    "POST /api/v1/admin/worker-tokens/{token_id}/rotate": Rule(REFUSED, REFUSED, REFUSED),
    "POST /api/v1/admin/worker-tokens/{token_id}/revoke": Rule(REFUSED, REFUSED, REFUSED),
    "DELETE /api/v1/admin/worker-tokens/{token_id}": Rule(REFUSED, REFUSED, REFUSED),
    "GET /api/v1/admin/workers": Rule(REFUSED, REFUSED, REFUSED),
    "POST /api/v1/admin/workers/{worker_id}/drain": Rule(REFUSED, REFUSED, REFUSED),
    "GET /api/v1/admin/queues": Rule(REFUSED, REFUSED, REFUSED),
    "GET /api/v1/admin/hosts": Rule(REFUSED, REFUSED, REFUSED),
    "GET /api/v1/admin/dead-letters": Rule(REFUSED, REFUSED, REFUSED),
    "POST /api/v1/admin/dead-letters/{letter_id}/retry": Rule(REFUSED, REFUSED, REFUSED),
    "GET /api/v1/entries": own(),
    "POST /api/v1/entries": writes(body=note),
    "GET /api/v1/entries/{entry_id}": reads(),
    "PATCH /api/v1/entries/{entry_id}": writes(body=body(title="x")),
    "POST /api/v1/entries/{entry_id}/retry": writes(),
    "GET /api/v1/entries/{entry_id}/events": reads(streams=True),
    "PATCH /api/v1/entries/{entry_id}/insights": writes(body=body(summary="x")),
    "DELETE /api/v1/entries/{entry_id}/insights/{field}": writes(),
    "GET /api/v1/entries/{entry_id}/versions": reads(),
    "GET /api/v1/entries/{entry_id}/versions/{number}": reads(),
    "POST /api/v1/search": own(body=body(query=SECRET[:2])),
    "POST /api/v1/search?space": reads(body=lambda house: {"query": "x", "space_ids": [house.space]}),
    "GET /api/v1/insights/overview": own(),
    "GET /api/v1/streams/{stream_id}": reads(streams=True),
    "POST /api/v1/streams/{stream_id}/cancel": private(),
    "GET /api/v1/conversations": own(),
    "POST /api/v1/conversations": own(body=body()),
    "POST /api/v1/conversations?space": reads(body=lambda house: {"space_ids": [house.space]}),
    "GET /api/v1/conversations/{conversation_id}": private(),
    "PATCH /api/v1/conversations/{conversation_id}": private(body=body(title="x")),
    "GET /api/v1/conversations/{conversation_id}/export": private(),
    "POST /api/v1/conversations/{conversation_id}/messages": private(body=body(content="x?")),
    "POST /api/v1/uploads": writes(
        body=lambda house: {"filename": "a.txt", "content_type": "text/plain", "size": 3, "space_id": house.space}
    ),
    "GET /api/v1/jobs": own(),
    "GET /api/v1/jobs?space": own(query=in_space),
    "POST /api/v1/jobs": writes(body=lambda house: {"name": "x", "runner": "image", "space_id": house.space}),
    "GET /api/v1/jobs/{job_id}": reads(),
    "PATCH /api/v1/jobs/{job_id}": writes(body=body(name="x")),
    "POST /api/v1/jobs/{job_id}/enqueue": writes(body=body(count=1)),
    "GET /api/v1/jobs/{job_id}/tasks": reads(),
    "GET /api/v1/jobs/{job_id}/events": reads(streams=True),
    "GET /api/v1/jobs/{job_id}/results.zip": reads(),
    "POST /api/v1/jobs/{job_id}/results-link": reads(),
    "POST /api/v1/jobs/estimate": own(body=body(runner="image", count=1)),
    "POST /api/v1/jobs/estimate?space": reads(
        body=lambda house: {"runner": "image", "count": 1, "space_id": house.space}
    ),
    "GET /api/v1/runners": own(),
    "GET /api/v1/workers/summary": own(),
    "GET /api/v1/tasks/{task_id}": reads(),
    "GET /api/v1/tasks/{task_id}/input": reads(),
    "GET /api/v1/tasks/{task_id}/output": reads(),
    "POST /api/v1/tasks/{task_id}/retry": writes(),
    "POST /api/v1/jobs/{job_id}/pause": writes(),
    "POST /api/v1/jobs/{job_id}/resume": writes(),
    "POST /api/v1/jobs/{job_id}/retry-failed": writes(),
    "GET /api/v1/jobs/{job_id}/file-results": reads(),
    "POST /api/v1/jobs/{job_id}/file-results": writes(),
    "POST /api/v1/jobs/{job_id}/cancel": writes(),
    "DELETE /api/v1/jobs/{job_id}": writes(),
    "GET /api/v1/uploads": own(),
    "GET /api/v1/uploads?space": own(query=in_space),
    "GET /api/v1/uploads/{upload_id}": reads(),
    "GET /api/v1/uploads/{upload_id}/content": reads(owner=ANY),
    "GET /api/v1/uploads/{upload_id}/thumbnail": reads(owner=ANY),
    "GET /api/v1/uploads/{upload_id}/display": reads(owner=ANY),
    "POST /api/v1/uploads/{upload_id}/complete": writes(),
    "GET /api/v1/uploads/{upload_id}/parts": writes(),
    "DELETE /api/v1/uploads/{upload_id}": writes(),
    "DELETE /api/v1/conversations/{conversation_id}": private(),
    "DELETE /api/v1/entries/{entry_id}": writes(),
    "DELETE /api/v1/people/{person_id}": writes(),
    "DELETE /api/v1/spaces/{space_id}/members/{user_id}": writes(),
    "DELETE /api/v1/spaces/{space_id}": writes(),
    "GET /api/v1/ui/sessions": own(),
    "DELETE /api/v1/ui/sessions/{session_id}": private(),
    # They end only the caller's own sessions, and with them the caller's part in this test.
    "POST /api/v1/ui/sessions/revoke-all": Rule(ANY, ANY),
    "POST /auth/v1/logout": Rule(ANY, ANY, ANY),
}
