"""Wires jobs: what people have rented machines do. A part of the composition root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.http.later import include_later
from shared.rotation import secret
from shared.settings import StorageSettings, number, require
from shared.storage.opening import signing_keys

from api.jobs.enqueuing import EnqueueService
from api.jobs.forgetting import forget_router
from api.jobs.offers import OffersService
from api.jobs.result_links import ResultLinks
from api.jobs.results import ResultsService
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
    env: Mapping[str, str],
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
    services.add(ResultsService(database, storage, _links(env)))
    services.add(OffersService(database, number(env, "MARU_LEASE_SECONDS", 60)))
    for module in ("offer_routes", "routes", "task_routes", "result_routes"):
        include_later(app, f"api.jobs.{module}")
    app.include_router(forget_router(callbacks, storage))


def _links(env: Mapping[str, str]) -> ResultLinks:
    """Signed with the key of files, which may be several; where a bucket signs its own addresses, with the key that sessions are sealed with."""
    settings = StorageSettings.from_env(env)
    if not settings.signing_key:
        require(env, "MARU_SESSION_KEY", "links to results are signed with it")
    return ResultLinks(settings.public_url, signing_keys(settings.signing_key or secret(env, "MARU_SESSION_KEY")))
