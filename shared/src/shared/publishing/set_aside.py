"""Sets messages aside where people see them, instead of letting Google forget them.

Cloud Tasks deletes a task whose attempts are used up and tells nobody, so its queues retry without end and the limit is kept here. Pub/Sub keeps no
cause, so a push is set aside here too at its last attempt; what never got an answer comes by the topic of dead letters.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import Request

from shared.deliveries import REDELIVER, ROUTES, Route, acknowledged, hopeless
from shared.errors import Problem
from shared.publishing.outbox_store import keep_dead_letter
from shared.pushes import MessageMalformed, open_envelope

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from shared.db import Database

_CALLBACKS = ("/internal/tasks/", "/internal/push/")
_BODY_BYTES = 16 * 1024 * 1024
_CAUSE_BYTES = 2000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Attempt:
    route: Route
    number: int
    task: str | None
    """The task's name; None for a push of Pub/Sub's own."""
    body: bytes

    @property
    def last(self) -> bool:
        return self.number >= self.route.max_attempts


class SetsAside:
    """ASGI middleware of a service that Google calls; `verify` is what its routes ask too, so nobody else can set anything aside."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        verify: Callable[[Request], Awaitable[None]],
        database: Database,
        routes: Sequence[Route] = ROUTES,
    ) -> None:
        self._app, self._verify, self._database = app, verify, database
        self._queues = {route.name: route for route in routes if route.kind == "task"}
        self._pushes = {route.path: route for route in routes if route.kind == "event" and route.service == service}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        route = self._route(scope)
        if route is None or not await self._proved(scope):
            await self._app(scope, receive, send)
            return
        body, receive = await _read(receive)
        attempt = None if body is None else _attempt(route, scope, body)
        if attempt is None:
            await self._app(scope, receive, send)
        elif attempt.task is not None and attempt.number > route.max_attempts:
            # The attempts before ended without an answer: whatever kills this service is not tried once more.
            await self._set_aside(attempt, f"{route.max_attempts} attempts ended without an answer", send)
        else:
            await self._run(attempt, scope, receive, send)

    def _route(self, scope: Scope) -> Route | None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith(_CALLBACKS):
            return None
        queue = _header(scope, b"x-cloudtasks-queuename")
        if queue is None:
            return self._pushes.get(scope["path"])
        route = self._queues.get(queue)
        fits = route is not None and (scope["path"] == route.path or route.name == REDELIVER)
        return route if fits else None

    async def _proved(self, scope: Scope) -> bool:
        try:
            await self._verify(Request(scope))
        except Problem:
            # The route itself says so, in the words that it always uses.
            return False
        return True

    async def _run(self, attempt: _Attempt, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(attempt, send)
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            if not attempt.last or answer.passed:
                raise
            log.exception("%s failed at its last attempt", attempt.route.name)
            await self._set_aside(attempt, f"500: {type(error).__name__}", send)
            return
        if answer.cause is not None:
            await self._set_aside(attempt, answer.cause, send)

    async def _set_aside(self, attempt: _Attempt, cause: str, send: Send) -> None:
        letter = _letter(attempt)
        async with self._database.service_tx() as connection:
            await keep_dead_letter(connection, *letter, attempt.number, cause)
        log.error("%s is a dead letter after attempt %d: %s", letter[2], attempt.number, cause)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class _Answer:
    """Lets an answer pass, unless the message is to be set aside because of it: then it is kept as the cause."""

    def __init__(self, attempt: _Attempt, send: Send) -> None:
        self._attempt, self._send = attempt, send
        self._status, self._text = 0, b""
        self._held = False
        self.passed = False

    @property
    def cause(self) -> str | None:
        """Why the message is to be set aside."""
        return f"{self._status}: {self._text.decode(errors='replace')}" if self._held else None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            failed = not acknowledged(self._attempt.route.kind, self._status)
            # Whoever is refused has not been shown to be who they say.
            self._held = failed and self._status != 401 and (hopeless(self._status) or self._attempt.last)
        if not self._held:
            self.passed = True
            await self._send(message)
        elif len(self._text) < _CAUSE_BYTES:
            self._text += message.get("body", b"")[:_CAUSE_BYTES]


def _attempt(route: Route, scope: Scope, body: bytes) -> _Attempt | None:
    if route.kind == "task":
        retries = _header(scope, b"x-cloudtasks-taskretrycount") or ""
        name = _header(scope, b"x-cloudtasks-taskname") or ""
        return _Attempt(route, int(retries) + 1, name, body) if retries.isdecimal() and name else None
    try:
        number = json.loads(body).get("deliveryAttempt")
    except (ValueError, AttributeError, RecursionError):
        return None
    return _Attempt(route, number, None, body) if isinstance(number, int) else None


def _letter(attempt: _Attempt) -> tuple[str, str, str, str | None, Any]:
    """Id, kind, destination, key and content."""
    if attempt.task is None or attempt.route.name == REDELIVER:
        try:
            pushed = open_envelope(attempt.body)
            destination = str(json.loads(attempt.body).get("subscription", "")).rsplit("/", 1)[-1]
        except MessageMalformed:
            return attempt.task or "unreadable", "push", attempt.route.name, None, _content(attempt.body)
        own = attempt.route.name if attempt.task is None else destination
        return pushed.message_id, "push", own, pushed.key, pushed.data
    return attempt.task, "task", attempt.route.name, None, _content(attempt.body)


def _content(body: bytes) -> Any:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    # Postgres keeps no NUL in JSON.
    return {"unreadable": len(body)} if content is None or "\\u0000" in json.dumps(content) else content


async def _read(receive: Receive) -> tuple[bytes | None, Receive]:
    """The body, and a `receive` that tells it again; None when it is too large to be one of Google's."""
    messages: list[Message] = []
    size = 0
    while size <= _BODY_BYTES:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    whole = messages[-1]["type"] == "http.request" and not messages[-1].get("more_body")
    waiting = iter(messages)

    async def again() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return (b"".join(message.get("body", b"") for message in messages) if whole else None), again


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for found, value in scope["headers"] if found == name), None)
