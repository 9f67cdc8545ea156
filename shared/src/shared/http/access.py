"""Request ids and one log line for each request."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from shared.telemetry import Span, request_id, request_span

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("access")

_ACCEPTABLE = re.compile(rb"[A-Za-z0-9._\-]{8,64}")


@dataclass(frozen=True, slots=True)
class AccessLog:
    """One finished request. `endpoint` is the route's template, so ids of people's things stay out of the log."""

    request_id: str
    user_id: str | None
    method: str
    endpoint: str
    status_code: int
    response_time_ms: float
    error_code: str | None


class RequestContext:
    """Pure ASGI middleware: takes or makes a request id, gives it back as `X-Request-Id`, logs when the response has started and ended."""

    def __init__(self, app: ASGIApp, on_access: Callable[[AccessLog], None] | None = None) -> None:
        self._app = app
        self._on_access = on_access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        current = _incoming_id(scope) or uuid4().hex
        token = request_id.set(current)
        scope.setdefault("state", {})["request_id"] = current
        started, status, finished = time.perf_counter(), 500, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, finished
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", current.encode())]
            finished = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        with request_span(scope["headers"], probe=scope["path"].startswith("/health")) as measured:
            try:
                await self._app(scope, receive, send_with_id)
            except Exception:
                # Starlette raises again what it has already answered and we have already logged.
                if not finished:
                    raise
            finally:
                self._record(scope, current, status, (time.perf_counter() - started) * 1000)
                _name(measured, scope, status)
                request_id.reset(token)

    def _record(self, scope: Scope, current: str, status: int, elapsed_ms: float) -> None:
        state = scope.get("state", {})
        route = scope.get("route")
        endpoint = getattr(route, "path", None) or "(no route)"
        if endpoint.startswith("/health"):
            return
        user = state.get("user_id")
        access = AccessLog(
            current, user, scope["method"], endpoint, status, round(elapsed_ms, 1), state.get("error_code")
        )
        log.info(
            "%s %s %d",
            access.method,
            endpoint,
            status,
            extra={
                "fields": {
                    "response_time_ms": access.response_time_ms,
                    "user_id": user,
                    # Cloud Logging shows these in columns; the route's template stands where an address would.
                    "httpRequest": {
                        "requestMethod": access.method,
                        "requestUrl": endpoint,
                        "status": status,
                        "latency": f"{elapsed_ms / 1000:.4f}s",
                    },
                }
            },
        )
        if self._on_access is not None:
            self._on_access(access)


def _name(measured: Span | None, scope: Scope, status: int) -> None:
    """Names the span of a request by its route's template, as the access log does."""
    if measured is None:
        return
    route = getattr(scope.get("route"), "path", None)
    measured.name = f"{scope['method']} {route}" if route else str(scope["method"])
    measured.attributes |= {"http.request.method": scope["method"], "http.response.status_code": status}
    if route:
        measured.attributes["http.route"] = route
    if status >= 500:
        measured.error = scope.get("state", {}).get("error_code") or str(status)


def _incoming_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _ACCEPTABLE.fullmatch(value):
            return str(value.decode("ascii"))
    return None
