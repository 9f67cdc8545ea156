"""Wires jobs: what people have rented machines do. A part of the composition root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.http.later import include_later

from api.jobs.enqueuing import EnqueueService
from api.jobs.forgetting import forget_router
from api.jobs.service import JobService
from api.jobs.steering import SteeringService
from api.jobs.watching import WatchingService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier
    from shared.outbox import Relay
    from shared.storage import ObjectStore
    from shared.streams import StreamHub

    from api.http.services import ServiceRegistry


def add_studio(
    app: FastAPI,
    services: ServiceRegistry,
    database: Database,
    relay: Relay,
    hub: StreamHub,
    storage: ObjectStore,
    callbacks: CallbackVerifier,
) -> None:
    """Add the routes and their services; nothing is opened."""
    services.add(JobService(database, relay))
    services.add(EnqueueService(database, relay, hub))
    services.add(SteeringService(database, relay, hub))
    services.add(WatchingService(database, storage))
    for module in ("routes", "task_routes"):
        include_later(app, f"api.jobs.{module}")
    app.include_router(forget_router(callbacks, storage))
