"""One handler renders every failure as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.contracts.problem import ProblemDocument
from shared.errors import Problem, Unprocessable
from shared.telemetry import request_id

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


def install_problem_handlers(app: FastAPI) -> None:
    """Let Problems, validation errors, the framework's own errors and unforeseen ones all leave in one form."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
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
        log.warning("%s: %s", error.code, error.detail, exc_info=error)
    return problem_response(error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [{"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]} for item in error.errors()]
    first = errors[0] if errors else {"field": "body", "message": "invalid"}
    request.state.error_code = Unprocessable.code
    return problem_response(Unprocessable(f"{first['field']}: {first['message']}.", errors=errors))


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    request.state.error_code = code
    document = {
        "type": f"urn:maru:problem:{code}",
        "title": str(error.detail),
        "status": error.status_code,
        "detail": str(error.detail),
        "code": code,
        "request_id": request_id.get(),
    }
    return JSONResponse(document, error.status_code, headers=error.headers, media_type=PROBLEM_JSON)


async def _on_unforeseen(request: Request, error: Exception) -> JSONResponse:
    request.state.error_code = "internal_error"
    log.error("unforeseen failure", exc_info=error)
    return problem_response(Problem())
