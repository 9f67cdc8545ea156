"""Who calls: a FastAPI dependency that every route of people takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from shared.db import Principal
from shared.errors import Forbidden, Unauthenticated
from shared.http.ratelimit import Limit, RateLimiter

Authenticate = Callable[[str], Awaitable[Principal]]

# A runaway client meets this before it meets the database.
_PER_PERSON = Limit("requests", per_minute=1200, burst=300)


class AdminOnly(Forbidden):
    """The route is the administrators'."""

    code = "admin_only"
    default_detail = "Only an administrator may do this. `maru admin create` makes one."


class SignedInCaller(SecurityBase):
    """Who holds the bearer token; `app.state.authenticate` is put there by the composition root.

    The scheme of the document and the check are one dependency: every request pays for each.
    """

    def __init__(self) -> None:
        self.model = HTTPBearer(description="The `access_token` of `/auth/v1/token`")
        self.scheme_name = "HTTPBearer"

    async def __call__(self, request: Request) -> Principal:
        """Verify the token and count the request."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        authenticate: Authenticate = request.app.state.authenticate
        principal = await authenticate(token)
        request.state.user_id = str(principal.user_id)
        limiter: RateLimiter = request.app.state.limiter
        limiter.spend_here(_PER_PERSON, str(principal.user_id))
        return principal


current_principal = SignedInCaller()


async def current_admin(principal: Annotated[Principal, Depends(current_principal)]) -> Principal:
    """As `Caller`, for administrators only."""
    if not principal.is_admin:
        raise AdminOnly
    return principal


Caller = Annotated[Principal, Depends(current_principal)]
Admin = Annotated[Principal, Depends(current_admin)]
