"""Errors that reach a caller, as RFC 9457 problem documents.

Raise a subclass anywhere below a route; one handler renders it. A feature names its own errors as sentences, next to where they are raised:
`class LeaseLost(Conflict): code = "lease_lost"`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class Problem(Exception):
    """A failure with a status, a stable `code` for programs and a `detail` that tells a person what to change."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    default_detail: ClassVar[str] = (
        "The request failed and nothing was stored. Try again; if it keeps failing, quote the request id."
    )

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        self.detail = detail or self.default_detail
        self.headers = dict(headers or {})
        self.extra = extra
        super().__init__(self.detail)

    def document(self, request_id: str) -> dict[str, Any]:
        """The `application/problem+json` body."""
        return {
            **self.extra,
            "type": f"urn:maru:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        }


class BadRequest(Problem):
    """The request cannot be read."""

    status = 400
    code = "bad_request"
    title = "The request cannot be read"
    default_detail = "Check the request against /docs."


class Unauthenticated(Problem):
    """Nobody is signed in, or no longer."""

    status = 401
    code = "unauthenticated"
    title = "Sign in first"
    default_detail = "Send a valid access token as `Authorization: Bearer …`."

    def __init__(self, detail: str | None = None, *, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer", **(headers or {})}, **extra)


class Forbidden(Problem):
    """Known, but not allowed."""

    status = 403
    code = "forbidden"
    title = "Not allowed"
    default_detail = "Your role does not allow this."


class NotFound(Problem):
    """It does not exist, or belongs to somebody else: the answer is the same on purpose."""

    status = 404
    code = "not_found"
    title = "Not found"
    default_detail = "There is no such thing, or it is not yours."


class Conflict(Problem):
    """The request does not fit the present state."""

    status = 409
    code = "conflict"
    title = "Does not fit the present state"
    default_detail = "Read the current state and try again."


class Gone(Problem):
    """It existed and never will again."""

    status = 410
    code = "gone"
    title = "No longer there"
    default_detail = "It was here and is gone for good."


class TooLarge(Problem):
    """The request body is larger than allowed."""

    status = 413
    code = "too_large"
    title = "Too large"
    default_detail = "Send less at once."


class Unprocessable(Problem):
    """Readable, but a value is wrong."""

    status = 422
    code = "invalid"
    title = "A value is not valid"
    default_detail = "See `errors` for the fields."


class TooManyRequests(Problem):
    """Over a limit; `retry_after` is in seconds."""

    status = 429
    code = "over_request_rate_limit"
    title = "Too many requests"
    default_detail = "Wait and try again."

    def __init__(self, detail: str | None = None, *, retry_after: float, **extra: Any) -> None:
        seconds = max(1, -int(-retry_after // 1))
        super().__init__(detail, headers={"Retry-After": str(seconds)}, **extra)


class Unavailable(Problem):
    """Something this answer needs is away for the moment."""

    status = 503
    code = "unavailable"
    title = "Not available right now"
    default_detail = "Nothing was lost. Try again in a moment."

    def __init__(self, detail: str | None = None, *, retry_after: float = 2, **extra: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, int(retry_after)))}, **extra)
