"""The gateway's composition root: reads settings, builds clients, wires slices, starts and stops in order."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI
from shared.db import Database
from shared.http.app import create_app
from shared.http.ratelimit import RateLimiter
from shared.outbox import NotifyRelay, Relay
from shared.settings import DatabaseSettings, HttpSettings
from shared.streams import StreamHub

from api.http.services import ServiceRegistry


@dataclass(frozen=True)
class Engines:
    """What a process that runs several services hands to each of them instead of letting them build their own."""

    hub: StreamHub = field(default_factory=StreamHub)
    relay: Relay | None = None


def build_app(env: Mapping[str, str] | None = None, engines: Engines | None = None) -> FastAPI:
    """The application. Nothing is opened before a request needs it, so `/health` answers without any engine."""
    env = os.environ if env is None else env
    engines = engines or Engines()
    http = HttpSettings.from_env(env)
    database_settings = DatabaseSettings.from_env(env, "api")
    database = Database(
        database_settings.dsn, max_size=database_settings.max_connections, pooled=database_settings.pooled
    )
    relay = engines.relay or NotifyRelay(database)
    limiter = RateLimiter(database, enabled=http.rate_limits)
    services = ServiceRegistry()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        # Last: what stops before may still write.
        await database.close()

    app = create_app("Maru", settings=http, checks={"database": database.ready}, lifespan=lifespan)
    app.state.services = services
    app.state.limiter = limiter
    app.state.relay = relay
    return app
