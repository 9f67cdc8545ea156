"""Builds a service's FastAPI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from shared.http.access import AccessLog, RequestContext
from shared.http.client_address import ClientAddress
from shared.http.documentation import documentation_router
from shared.http.headers import SecurityHeaders
from shared.http.health import Check, health_router
from shared.http.later import LaterRoutes, LoadBeforeUse
from shared.http.problems import (
    PROBLEM_RESPONSES,
    ProblemsForTooLarge,
    install_problem_handlers,
    with_problem_media_type,
)
from shared.settings import HttpSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MIB = 1024 * 1024


def create_app(
    title: str,
    *,
    settings: HttpSettings,
    checks: Mapping[str, Check],
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    on_access: Callable[[AccessLog], None] | None = None,
    description: str = "",
    max_body_mib: int = 2,
) -> FastAPI:
    """A FastAPI application with the house rules; the caller adds its routers.

    `checks` are what `/health/ready` asks; nothing is opened before the first request needs it. JSON bodies are limited to `max_body_mib`.
    """
    app = _HouseApp(
        title=title,
        description=description,
        version="0.1.0",
        lifespan=lifespan,
        max_body_size=max_body_mib * MIB,
        responses=PROBLEM_RESPONSES,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        # The framework's own would tell messages of exceptions and what was sent; ours is `shared.telemetry`.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        swagger_ui_oauth2_redirect_url=None,
    )
    app.include_router(health_router(checks))
    app.include_router(documentation_router(app))
    install_problem_handlers(app)
    app.later = LaterRoutes()
    app.cors_origins = settings.cors_origins
    app.on_access = on_access
    app.trusted_proxies = settings.trusted_proxies
    return app


class _HouseApp(FastAPI):
    """FastAPI with our middleware outside its own: failures nobody foresaw and bodies over the limit get ids, headers and CORS answers too."""

    later: LaterRoutes
    cors_origins: tuple[str, ...] = ()
    on_access: Callable[[AccessLog], None] | None = None
    trusted_proxies: int = 0

    def build_middleware_stack(self) -> ASGIApp:
        """Called by Starlette once, before the first request."""
        stack: ASGIApp = ProblemsForTooLarge(super().build_middleware_stack(), self.max_body_size)
        if self.cors_origins:
            stack = _cors(stack, self.cors_origins)
        stack = LoadBeforeUse(stack, self, self.later)
        if self.trusted_proxies:
            stack = ClientAddress(stack, self.trusted_proxies)
        # Request ids come last, which is outermost: they cover everything, CORS answers included.
        return RequestContext(SecurityHeaders(stack), self.on_access)

    def openapi(self) -> dict[str, Any]:
        """The document, in which problems have the media type they really have."""
        if self.openapi_schema is None:
            self.later.load(self)
            self.openapi_schema = with_problem_media_type(super().openapi())
        return self.openapi_schema


def _cors(app: ASGIApp, origins: tuple[str, ...]) -> ASGIApp:
    from starlette.middleware.cors import CORSMiddleware

    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "apikey",
            "x-client-info",
            "x-request-id",
        ],
        expose_headers=["X-Request-Id", "Retry-After", "ETag", "Content-Range"],
        max_age=600,
    )
