"""One handler renders every failure as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.contracts.problem import ProblemDocument
from shared.errors import Conflict, Problem, TooLarge, Unprocessable
from shared.telemetry import request_id

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"

# FastAPI documents a route's own answers; these may come from any route.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "model": ProblemDocument,
        "description": "The request cannot be done as it is; `code` and `detail` say why",
    },
    503: {"model": ProblemDocument, "description": "A dependency is away; nothing was lost"},
}

_CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_DETAILS = {
    400: "The body cannot be read. Send JSON in UTF-8, not nested too deeply.",
    404: "There is nothing at this address. /docs lists what there is.",
    405: "This address takes {allow}.",
    413: "The body is larger than this address takes. Files go to storage by `POST /api/v1/uploads`.",
}


def install_problem_handlers(app: FastAPI) -> None:
    """Let Problems, validation errors, the framework's own errors and unforeseen ones all leave in one form."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(UnicodeEncodeError, _on_half_a_character)
    app.add_exception_handler(Exception, _on_unforeseen)


def problem_response(problem: Problem) -> JSONResponse:
    """The response of a problem."""
    return JSONResponse(
        problem.document(request_id.get()), problem.status, headers=problem.headers, media_type=PROBLEM_JSON
    )


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    request.state.error_code = error.code
    if error.status >= 500:
        # Without its trace: while a dependency is away this is every request.
        log.warning("%s: %s", error.code, error.detail, extra={"fields": {"cause": type(error.__cause__).__name__}})
    return problem_response(error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(item) for item in error.errors()]
    first = errors[0] if errors else {"field": "body", "message": "invalid"}
    request.state.error_code = Unprocessable.code
    return problem_response(Unprocessable(f"{first['field']}: {first['message']}.", errors=errors))


def _field_error(item: dict[str, Any]) -> dict[str, str]:
    if item["type"] == "json_invalid":
        return {
            "field": "body",
            "message": f"This is not JSON: {item['ctx']['error']} (at character {item['loc'][-1]})",
        }
    return {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    request.state.error_code = _CODES.get(error.status_code, "http_error")
    return _http_problem(error.status_code, str(error.detail), error.headers)


def _http_problem(status: int, phrase: str, headers: Mapping[str, str] | None) -> JSONResponse:
    """A failure that the framework found: its phrase is the title, ours the detail."""
    code = _CODES.get(status, "http_error")
    document = {
        "type": f"urn:maru:problem:{code}",
        "title": phrase,
        "status": status,
        "detail": _DETAILS.get(status, phrase).format(allow=(headers or {}).get("Allow", "another method")),
        "code": code,
        "request_id": request_id.get(),
    }
    return JSONResponse(document, status, headers=headers, media_type=PROBLEM_JSON)


class TextNotUnicode(Unprocessable):
    """JSON can spell halves of surrogate pairs, which no encoding has."""

    code = "text_not_unicode"
    default_detail = "A text holds half of a surrogate pair (\\ud800 to \\udfff). Send whole characters."


async def _on_half_a_character(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, UnicodeEncodeError) or error.reason != "surrogates not allowed":
        raise error
    return await _on_problem(request, TextNotUnicode())


class GoneMeanwhile(Conflict):
    """Between looking and writing, what the row was to belong to was deleted, or the caller shown out; the database refused it."""

    code = "gone_meanwhile"
    title = "It has gone meanwhile"
    default_detail = (
        "What this belongs to was deleted meanwhile, or you are no longer in that space. Nothing was stored."
    )


def _is_gone(error: Exception) -> bool:
    state = getattr(error, "sqlstate", None)
    return state == "23503" or (state == "42501" and "row-level security" in str(error))


async def _on_unforeseen(request: Request, error: Exception) -> JSONResponse:
    if _is_gone(error):
        # With its trace: the same refusal is how a mistake of ours would show.
        log.warning("a row was refused by the database", exc_info=error)
        request.state.error_code = GoneMeanwhile.code
        return problem_response(GoneMeanwhile())
    request.state.error_code = "internal_error"
    log.error("unforeseen failure", exc_info=error)
    return problem_response(Problem())


class ProblemsForTooLarge:
    """Pure ASGI middleware: the framework's plain-text 413 leaves as a problem document like everything else."""

    def __init__(self, app: ASGIApp, limit: int | None) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and _is_plain_413(message):
                replaced = True
                scope.setdefault("state", {})["error_code"] = TooLarge.code
                problem = TooLarge(
                    f"The body may have {self._limit} bytes at most. Files go to storage by `POST /api/v1/uploads`."
                )
                await problem_response(problem)(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, send_problem if scope["type"] == "http" else send)


def _is_plain_413(message: Message) -> bool:
    return message["status"] == 413 and any(
        name == b"content-type" and value.startswith(b"text/plain") for name, value in message["headers"]
    )


def with_problem_media_type(document: dict[str, Any]) -> dict[str, Any]:
    """The same OpenAPI document, with `application/problem+json` where FastAPI wrote the route's own media type."""
    for path in document.get("paths", {}).values():
        for operation in path.values():
            for response in operation.get("responses", {}).values():
                content = response.get("content", {})
                for media_type, body in list(content.items()):
                    if body.get("schema", {}).get("$ref", "").endswith("/ProblemDocument"):
                        del content[media_type]
                        content[PROBLEM_JSON] = body
    return document
