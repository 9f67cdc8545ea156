"""The dispatcher's composition root: reads settings, builds clients, wires routes, starts and stops in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import FastAPI
from shared.db import Database
from shared.http.app import create_app
from shared.http.callbacks import CallbackVerifier
from shared.outbox import Relay
from shared.publishing import MessagingSettings, open_relay, set_aside_at_last
from shared.secret_values import process_environment, resolved
from shared.settings import CallbackSettings, DatabaseSettings, HttpSettings, ServiceUrls, StorageSettings
from shared.storage import open_storage
from shared.streams import StreamHub

from inference.dispatch.service import Dispatch
from inference.fleet.push import job_push_router
from inference.fleet.settings import FleetSettings
from inference.routes.sweep import sweep_router
from inference.routes.worker import worker_router
from inference.settings import DispatchSettings
from inference.sweep import Sweep

if TYPE_CHECKING:
    from shared.storage import ObjectStore

    from inference.fleet.reconcile import Fleet


@dataclass(frozen=True)
class Engines:
    """What a process that runs several services hands to each of them; whoever hands an engine over also closes it."""

    hub: StreamHub = field(default_factory=StreamHub)
    relay: Relay | None = None
    storage: ObjectStore | None = None


def build_app(env: Mapping[str, str] | None = None, engines: Engines | None = None) -> FastAPI:
    """The application. Nothing is opened before a request needs it, so `/health` answers without any engine."""
    env = process_environment() if env is None else resolved(env)
    engines = engines or Engines()
    settings = DatabaseSettings.from_env(env, "inference")
    database = Database(settings.dsn, max_size=settings.max_connections, pooled=settings.pooled)
    storage = engines.storage or open_storage(StorageSettings.from_env(env))
    messaging = MessagingSettings.from_env(env)
    relay = engines.relay or open_relay(messaging, database)
    callbacks = CallbackVerifier(CallbackSettings.from_env(env, ServiceUrls.from_env(env).inference))
    dispatch = Dispatch(
        database, DispatchSettings.from_env(env), storage, engines.hub, relay, listens=not settings.pooled
    )
    fleet = _open_fleet(database, FleetSettings.from_env(env))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await dispatch.close()
        if fleet is not None:
            await fleet.close()
        if engines.storage is None:
            await storage.close()
        # Last: what stops before may still write, and promise.
        if engines.relay is None:
            await relay.close()
        await database.close()

    app = create_app(
        "Maru inference",
        settings=HttpSettings.from_env(env),
        checks={"database": database.ready, "storage": storage.ready},
        lifespan=lifespan,
        description="Gives tasks to workers and takes their results.",
    )
    app.state.dispatch = dispatch
    set_aside_at_last(messaging, app, "inference", callbacks, database)
    app.include_router(worker_router(dispatch))
    app.include_router(sweep_router(callbacks, Sweep(database, relay, dispatch.rescuer, dispatch.folder, fleet)))
    app.include_router(job_push_router(callbacks, fleet))
    return app


def _open_fleet(database: Database, settings: FleetSettings | None) -> Fleet | None:
    if settings is None:
        return None
    from inference.fleet.reconcile import Fleet
    from inference.fleet.vast import VastHosts

    return Fleet(database, VastHosts(settings.api_url, settings.api_key), settings)
