"""Builds a service's FastAPI application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from shared.http.access import AccessLog, RequestContext
from shared.http.headers import SecurityHeaders
from shared.http.health import Check, health_router
from shared.http.problems import PROBLEM_RESPONSES, install_problem_handlers
from shared.settings import HttpSettings

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
    app = FastAPI(
        title=title,
        description=description,
        version="0.1.0",
        lifespan=lifespan,
        max_body_size=max_body_mib * MIB,
        responses=PROBLEM_RESPONSES,
        redirect_slashes=False,
    )
    app.include_router(health_router(checks))
    install_problem_handlers(app)
    # Order matters: the last one added is the outermost, and request ids must cover everything, CORS answers included.
    if settings.cors_origins:
        from starlette.middleware.cors import CORSMiddleware

        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
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
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestContext, on_access=on_access)
    return app
