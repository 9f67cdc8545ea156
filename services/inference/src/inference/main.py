"""The dispatcher's composition root: reads settings, builds clients, starts and stops in order.

Jobs, leases and worker tokens are not part of this release; what stands here is what every service has: health, ready and a verified sweep.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI
from shared.db import Database
from shared.http.app import create_app
from shared.http.callbacks import CallbackVerifier
from shared.settings import CallbackSettings, DatabaseSettings, HttpSettings, ServiceUrls

from inference.sweep import sweep_router


def build_app(env: Mapping[str, str] | None = None) -> FastAPI:
    """The application. Nothing is opened before a request needs it, so `/health` answers without any engine."""
    env = os.environ if env is None else env
    database_settings = DatabaseSettings.from_env(env, "inference")
    database = Database(
        database_settings.dsn, max_size=database_settings.max_connections, pooled=database_settings.pooled
    )
    callbacks = CallbackVerifier(CallbackSettings.from_env(env, ServiceUrls.from_env(env).inference))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await database.close()

    app = create_app(
        "Maru inference",
        settings=HttpSettings.from_env(env),
        checks={"database": database.ready},
        lifespan=lifespan,
        description="Dispatches work to rented GPUs. This release has no jobs yet.",
    )
    app.include_router(sweep_router(callbacks, database))
    return app
