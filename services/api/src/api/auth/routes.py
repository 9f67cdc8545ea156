"""`/auth/v1`: the part of Supabase Auth's HTTP API that clients use, so that one client works against either."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from shared.db import Principal
from shared.errors import TooManyRequests, Unauthenticated

from api.auth import errors, schemas
from api.auth.service import AuthService
from api.http.attempts import SignInGuard
from api.http.caller import Authenticate
from api.http.identity import IdentityProvider, SignedIn, SignInRefused, SignOutScope
from api.http.services import provided

_VERSION = {"X-Supabase-Api-Version": "2024-01-01"}


class SupabaseRoute(APIRoute):
    """Failures that the framework finds leave with Supabase Auth's codes too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, wrapped."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except SignInRefused as refused:
                refused.headers.update(_VERSION)
                raise
            except RequestValidationError as invalid:
                raise errors.ValidationFailed(_sentence(invalid), headers=_VERSION) from invalid
            except TooManyRequests as limited:
                raise errors.SignInsTooMany({**limited.headers, **_VERSION}) from limited
            response.headers.update(_VERSION)
            return response

        return handled


def _sentence(invalid: RequestValidationError) -> str:
    first = invalid.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."


router = APIRouter(prefix="/auth/v1", tags=["auth"], route_class=SupabaseRoute)
token_router = APIRouter(prefix="/api/v1/auth", tags=["auth"])
Service = Annotated[AuthService, Depends(provided(AuthService))]
Guard = Annotated[SignInGuard, Depends(provided(SignInGuard))]


def _provider(request: Request) -> IdentityProvider:
    provider: IdentityProvider = request.app.state.identity_provider
    return provider


Provider = Annotated[IdentityProvider, Depends(_provider)]


async def _holder(request: Request) -> Principal:
    """As `current_principal`, with Supabase Auth's answers to a bad token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise errors.NoAuthorization
    authenticate: Authenticate = request.app.state.authenticate
    try:
        principal = await authenticate(token)
    except Unauthenticated as refused:
        raise errors.BadJwt from refused
    request.state.user_id = str(principal.user_id)
    return principal


Holder = Annotated[Principal, Depends(_holder)]


@router.post("/signup")
async def sign_up(body: schemas.SignUp, request: Request, service: Service, guard: Guard) -> schemas.Session:
    """Make an account with a personal space, and sign in."""
    async with guard.attempt(request, body.email):
        return session(await service.sign_up(body.email, body.password, body.data or {}))


@router.post("/token")
async def token(
    body: schemas.TokenRequest,
    request: Request,
    service: Service,
    guard: Guard,
    grant_type: Annotated[Literal["password", "refresh_token"], Query()],
) -> schemas.Session:
    """Sign in with a password, or exchange a refresh token (once: it is replaced)."""
    if grant_type == "password":
        email, password = _credentials(body)
        async with guard.attempt(request, email):
            return session(await service.sign_in(email, password))
    return session(await service.exchange(_refresh_token(body)))


@router.get("/user")
async def user(principal: Holder, service: Service) -> schemas.AuthUser:
    """The signed-in person's account."""
    return await service.user(principal)


@router.put("/user")
async def update_user(
    body: schemas.UserUpdate, request: Request, principal: Holder, service: Service, guard: Guard
) -> schemas.AuthUser:
    """Change password or metadata; a new password ends all other sessions."""
    async with guard.attempt(request, principal.email):
        return await service.update(principal, body)


@router.post("/logout", status_code=204)
async def logout(principal: Holder, service: Service, scope: Annotated[SignOutScope, Query()] = "global") -> None:
    """End sessions: all (`global`), this one (`local`), all but this one (`others`)."""
    await service.sign_out(principal.user_id, principal.session_id, "", scope)


@router.get("/.well-known/jwks.json")
async def jwks(service: Service, response: Response) -> schemas.JwkSet:
    """The public keys that verify access tokens."""
    response.headers["Cache-Control"] = "public, max-age=600"
    return schemas.JwkSet.model_validate(service.jwks())


@router.get("/settings")
async def settings() -> schemas.ProviderSettings:
    """What this provider offers."""
    return schemas.ProviderSettings()


@router.get("/health")
async def health() -> schemas.ProviderHealth:
    """The provider answers."""
    return schemas.ProviderHealth()


@token_router.post("/token")
async def grant(body: schemas.TokenGrant, request: Request, provider: Provider, guard: Guard) -> schemas.GrantedSession:
    """Sign in or refresh, under the path that earlier clients know, with whichever provider is configured."""
    if body.grant_type == "refresh_token" or (body.grant_type is None and body.refresh_token is not None):
        return schemas.GrantedSession(**_answer(await provider.exchange(_refresh_token(body))))
    email, password = _credentials(body)
    async with guard.attempt(request, email):
        return schemas.GrantedSession(**_answer(await provider.sign_in(email, password)))


def session(signed_in: SignedIn) -> schemas.Session:
    """Supabase Auth's session object."""
    return schemas.Session.model_validate(_answer(signed_in))


def _answer(signed_in: SignedIn) -> dict[str, Any]:
    return {
        "access_token": signed_in.access_token,
        "token_type": "bearer",
        "expires_in": max(0, signed_in.expires_at - int(time.time())),
        "expires_at": signed_in.expires_at,
        "refresh_token": signed_in.refresh_token,
        "user": dict(signed_in.user),
    }


def _credentials(body: schemas.TokenRequest) -> tuple[str, str]:
    if not body.email or body.password is None:
        raise errors.ValidationFailed("Send `email` and `password`.")
    return body.email, body.password


def _refresh_token(body: schemas.TokenRequest) -> str:
    if not body.refresh_token:
        raise errors.ValidationFailed("Send `refresh_token`.")
    return body.refresh_token
