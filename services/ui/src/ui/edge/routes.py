"""The browser's own calls to this server: open a session, end it, choose a language."""

import json
from typing import Any
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ui.core import identity, tokens
from ui.core.api import ApiProblem
from ui.core.cookies import LANGUAGE_NAME, session_cookie_name, session_handle

_LARGEST_BODY = 4096
_YEAR_S = 365 * 24 * 3600


def over_tls(request: Request) -> bool:
    """Whether the browser reached us over TLS, also when a proxy in front ended it."""
    return request.headers.get("x-forwarded-proto", request.url.scheme).split(",")[0].strip() == "https"


def from_our_page(request: Request) -> bool:
    """Only a script of this very origin may change the session: an attacker's page must not sign a visitor in."""
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host") and site == "same-origin"


def _refuse(status: int, code: str) -> JSONResponse:
    return JSONResponse({"code": code}, status)


async def _fields(request: Request) -> dict[str, Any] | None:
    """The JSON object of the request, or nothing when it is not a small one."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            return None
    try:
        fields = json.loads(body)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


async def open_session(request: Request) -> Response:
    """Trade the ticket for a session and put its handle where no script can read it."""
    if not from_our_page(request):
        return _refuse(403, "other_origin")
    fields = await _fields(request)
    if fields is None or not isinstance(fields.get("ticket"), str):
        return _refuse(400, "ticket_missing")
    try:
        handle, life = await run_in_threadpool(identity.redeem, fields["ticket"])
    except ApiProblem as problem:
        return _refuse(401 if problem.status in range(400, 500) else 503, problem.code)
    response = Response(status_code=204)
    secure = over_tls(request)
    response.set_cookie(
        session_cookie_name(secure=secure), handle, max_age=life, path="/", secure=secure, httponly=True, samesite="lax"
    )
    return response


async def end_session(request: Request) -> Response:
    """Revoke the session with the gateway and remove the cookie; the cookie goes even when the gateway is away."""
    if not from_our_page(request):
        return _refuse(403, "other_origin")
    handle = session_handle(request.cookies)
    status = 204
    if handle is not None:
        tokens.forget(handle)
        try:
            await run_in_threadpool(identity.end, handle)
        except ApiProblem as problem:
            status = 204 if problem.status in (401, 404, 410) else 202
    response = Response(status_code=status)
    for secure in (True, False):
        response.delete_cookie(session_cookie_name(secure=secure), path="/", secure=secure, httponly=True)
    return response


async def choose_language(request: Request) -> Response:
    """Remember the language for a year."""
    if not from_our_page(request):
        return _refuse(403, "other_origin")
    chosen = ((await _fields(request)) or {}).get("language")
    if chosen not in ("ko", "en"):
        return _refuse(400, "language_unknown")
    response = Response(status_code=204)
    response.set_cookie(
        LANGUAGE_NAME, chosen, max_age=_YEAR_S, path="/", secure=over_tls(request), httponly=True, samesite="lax"
    )
    return response


def session_routes() -> list[BaseRoute]:
    return [
        Route("/session", open_session, methods=["POST"]),
        Route("/session/end", end_session, methods=["POST"]),
        Route("/session/language", choose_language, methods=["POST"]),
    ]
