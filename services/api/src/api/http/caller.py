"""Who calls: a FastAPI dependency that every route of people takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
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


_bearer = HTTPBearer(auto_error=False, description="The `access_token` of `/auth/v1/token`")


async def current_principal(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> Principal:
    """Verify the bearer token; `app.state.authenticate` is put there by the composition root."""
    scheme, _sep, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    authenticate: Authenticate = request.app.state.authenticate
    principal = await authenticate(token)
    request.state.user_id = str(principal.user_id)
    limiter: RateLimiter = request.app.state.limiter
    limiter.spend_here(_PER_PERSON, str(principal.user_id))
    return principal


async def current_admin(principal: Annotated[Principal, Depends(current_principal)]) -> Principal:
    """As `current_principal`, for administrators only."""
    if not principal.is_admin:
        raise AdminOnly
    return principal


Caller = Annotated[Principal, Depends(current_principal)]
Admin = Annotated[Principal, Depends(current_admin)]
