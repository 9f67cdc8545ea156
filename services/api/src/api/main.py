"""The gateway's composition root: reads settings, builds clients, wires slices, starts and stops in order."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import FastAPI
from shared.db import Database
from shared.http.app import create_app
from shared.http.callbacks import CallbackVerifier
from shared.http.later import at_rest
from shared.http.ratelimit import RateLimiter
from shared.llm.factory import Models, open_llm
from shared.llm.traces import ModelTraceSettings
from shared.outbox import Relay
from shared.publishing import MessagingSettings, open_relay, set_aside_at_last
from shared.secret_values import process_environment, resolved
from shared.settings import (
    CallbackSettings,
    DatabaseSettings,
    HttpSettings,
    LlmSettings,
    ServiceUrls,
    StorageSettings,
    VectorSettings,
)
from shared.storage import open_storage
from shared.streams import StreamHub
from shared.vectors.factory import open_vectors

from api.admin.calls import CallRecord
from api.conversing import add_conversations
from api.filing import add_files
from api.http.services import ServiceRegistry
from api.http.sweep import sweep_router
from api.http.tidying import Tidying
from api.identity import add_identity
from api.keeping import add_result_filing
from api.memory import add_memory
from api.operating import add_operations
from api.studio import add_studio

if TYPE_CHECKING:
    from shared.text.morphology import Morphology
    from shared.vectors import VectorIndex

# A million characters of body, each written as a JSON escape.
_MAX_BODY_MIB = 8


@dataclass(frozen=True)
class Engines:
    """What a process that runs several services hands to each of them instead of letting them build their own."""

    hub: StreamHub = field(default_factory=StreamHub)
    relay: Relay | None = None
    vectors: VectorIndex | None = None
    morphology: Morphology | None = None


def build_app(env: Mapping[str, str] | None = None, engines: Engines | None = None) -> FastAPI:
    """The application. Nothing is opened before a request needs it, so `/health` answers without any engine."""
    env = process_environment() if env is None else resolved(env)
    engines = engines or Engines()
    http = HttpSettings.from_env(env)
    database = _database(DatabaseSettings.from_env(env, "api"))
    messaging = MessagingSettings.from_env(env)
    relay = engines.relay or open_relay(messaging, database)
    limiter = RateLimiter(database, enabled=http.rate_limits)
    models = open_llm(LlmSettings.from_env(env), ModelTraceSettings.from_env(env))
    vectors = engines.vectors or open_vectors(VectorSettings.from_env(env))
    storage = open_storage(StorageSettings.from_env(env))
    calls = CallRecord(database)
    services = ServiceRegistry()
    warming = _Warming(models)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        warming.stop()
        # First: answers that are being written may finish, and they still need everything below.
        await conversing.close()
        await identity.close()
        await models.close()
        if engines.vectors is None:
            await vectors.close()
        await storage.close()
        # Last: what stops before may still write, and promise.
        if engines.relay is None:
            await relay.close()
        await calls.close()
        await database.close()

    app = create_app(
        "Maru",
        settings=http,
        checks={"database": database.ready, "vectors": vectors.ready, "files": storage.ready},
        lifespan=lifespan,
        on_access=calls.add,
        max_body_mib=_MAX_BODY_MIB,
    )
    at_rest(app, warming.start)
    app.state.services = services
    app.state.limiter = limiter
    app.state.relay = relay
    callbacks = CallbackVerifier(CallbackSettings.from_env(env, ServiceUrls.from_env(env).api))
    # First: routers are searched in this order, and entries are what is read most.
    memory = add_memory(app, services, database, relay, engines.hub, vectors, models.embedder, engines.morphology)
    identity = add_identity(app, env, services, database, limiter, relay, callbacks)
    conversing = add_conversations(
        app, services, database, relay, engines.hub, memory.retriever, models.language, engines.morphology
    )
    filing = add_files(app, env, services, database, relay, storage)
    add_studio(app, env, services, database, relay, engines.hub, storage, callbacks)
    operating = add_operations(app, env, services, database, relay, callbacks)
    add_result_filing(app, services, database, relay, callbacks)
    set_aside_at_last(messaging, app, "api", callbacks, database)
    sweeps = (*identity.sweeps, *conversing.sweeps, *memory.sweeps, *filing, *operating)
    app.include_router(sweep_router(callbacks, (relay.drain, Tidying(database).forget_old, *sweeps)))
    return app


def _database(settings: DatabaseSettings) -> Database:
    return Database(settings.dsn, max_size=settings.max_connections, pooled=settings.pooled)


class _Warming:
    """Loads the model client before the first question, and keeps what it brings out of the garbage collector's rounds."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._models.language is not None:
            self._task = asyncio.create_task(self._warm(), name="warm-models")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _warm(self) -> None:
        await self._models.warm()
        gc.collect()
        gc.freeze()
