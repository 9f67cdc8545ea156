"""Wires what administrators watch and steer: worker tokens, workers, queues, hosts, dead letters. A part of the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from shared.db import Principal
from shared.http.later import include_later
from shared.settings import number

from api.jobs.steering import SteeringService
from api.letters.callbacks import dead_letter_router
from api.letters.service import DeadLetterService
from api.workers.fleet import FleetService
from api.workers.service import WorkerTokenService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier
    from shared.outbox import Relay

    from api.http.services import ServiceRegistry

Job = Callable[[], Awaitable[object]]


def add_operations(
    app: FastAPI,
    env: Mapping[str, str],
    services: ServiceRegistry,
    database: Database,
    relay: Relay,
    callbacks: CallbackVerifier,
) -> tuple[Job, ...]:
    """Add the routes and their services; the answer is what the sweep calls each minute. Nothing is opened."""
    tokens = WorkerTokenService(database)
    steering = services.get(SteeringService)

    async def retry_task(owner: UUID, task_id: UUID) -> None:
        await steering.retry_task(Principal(owner), task_id)

    services.add(tokens)
    services.add(FleetService(database, number(env, "MARU_LEASE_SECONDS", 60)))
    services.add(DeadLetterService(database, relay, retry_task))
    app.include_router(dead_letter_router(callbacks, database))
    for slice_ in ("workers", "letters"):
        include_later(app, f"api.{slice_}.routes")
    return (tokens.forget_revoked,)
