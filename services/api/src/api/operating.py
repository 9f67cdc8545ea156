"""Wires what administrators watch and steer: worker tokens, workers, queues, hosts, dead letters. A part of the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from shared.http.later import include_later

from api.workers.service import WorkerTokenService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database

    from api.http.services import ServiceRegistry

Job = Callable[[], Awaitable[object]]


def add_operations(app: FastAPI, services: ServiceRegistry, database: Database) -> tuple[Job, ...]:
    """Add the routes and their services; the answer is what the sweep calls each minute. Nothing is opened."""
    tokens = WorkerTokenService(database)
    services.add(tokens)
    include_later(app, "api.workers.routes")
    return (tokens.forget_revoked,)
