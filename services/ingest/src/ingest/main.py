"""The composition root of ingest: reads settings, builds clients, wires push, tasks and steps, starts and stops in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import FastAPI
from shared.db import Database
from shared.http.app import create_app
from shared.http.callbacks import CallbackVerifier
from shared.llm.factory import open_llm
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
from shared.text.morphology import default_morphology
from shared.vectors.factory import open_vectors

from ingest.handlers import commands
from ingest.morphemes import RememberingMorphology
from ingest.ports import Ports
from ingest.push import push_router
from ingest.sandbox import Sandbox
from ingest.sweep import Sweep
from ingest.tasks import task_router

if TYPE_CHECKING:
    from shared.llm import Models
    from shared.storage import ObjectStore
    from shared.text.morphology import Morphology
    from shared.vectors import VectorIndex


@dataclass(frozen=True)
class Engines:
    """What a process that runs several services hands to each of them; whoever hands an engine over also closes it."""

    hub: StreamHub = field(default_factory=StreamHub)
    relay: Relay | None = None
    vectors: VectorIndex | None = None
    storage: ObjectStore | None = None
    models: Models | None = None
    morphology: Morphology | None = None


def build_app(env: Mapping[str, str] | None = None, engines: Engines | None = None) -> FastAPI:
    """The application. Nothing is opened before a message needs it."""
    env = process_environment() if env is None else resolved(env)
    engines = engines or Engines()
    settings = DatabaseSettings.from_env(env, "ingest")
    database = Database(settings.dsn, max_size=settings.max_connections, pooled=settings.pooled)
    messaging = MessagingSettings.from_env(env)
    relay = engines.relay or open_relay(messaging, database)
    ports = Ports(
        database=database,
        vectors=engines.vectors or open_vectors(VectorSettings.from_env(env)),
        storage=engines.storage or open_storage(StorageSettings.from_env(env)),
        models=engines.models or open_llm(LlmSettings.from_env(env), ModelTraceSettings.from_env(env)),
        morphology=RememberingMorphology(engines.morphology or default_morphology()),
        sandbox=Sandbox(),
        hub=engines.hub,
        relay=relay,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield
        await ports.sandbox.close()
        if engines.models is None:
            await ports.models.close()
        if engines.vectors is None:
            await ports.vectors.close()
        if engines.storage is None:
            await ports.storage.close()
        # Last: what stops before may still write, and promise.
        if engines.relay is None:
            await relay.close()
        await database.close()

    checks = {"database": database.ready, "vectors": ports.vectors.ready, "storage": ports.storage.ready}
    app = create_app("Maru ingest", settings=HttpSettings.from_env(env), checks=checks, lifespan=lifespan)
    verify = CallbackVerifier(CallbackSettings.from_env(env, ServiceUrls.from_env(env).ingest))
    set_aside_at_last(messaging, app, "ingest", verify, database)
    app.include_router(push_router(verify, database, relay))
    app.include_router(task_router(verify, commands(ports), database, relay, Sweep(database, relay)))
    return app
