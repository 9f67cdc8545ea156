"""Wires files: uploads and, on one machine, the signed addresses themselves. A part of the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from shared.storage.folder import FolderStore

from api.files import routes as file_routes
from api.uploads import routes as upload_routes
from api.uploads.limits import UploadLimits
from api.uploads.service import UploadService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database
    from shared.outbox import Relay
    from shared.storage import ObjectStore

    from api.http.services import ServiceRegistry

Job = Callable[[], Awaitable[object]]


def add_files(
    app: FastAPI,
    env: Mapping[str, str],
    services: ServiceRegistry,
    database: Database,
    relay: Relay,
    storage: ObjectStore,
) -> tuple[Job, ...]:
    """Add the routes and their services; the answer is what the sweep calls each minute. Nothing is opened."""
    uploads = UploadService(database, relay, storage, UploadLimits.from_env(env))
    services.add(uploads)
    app.include_router(upload_routes.router)
    if not isinstance(storage, FolderStore):
        return (uploads.forget_abandoned,)
    services.add(storage)
    app.include_router(file_routes.router)
    return (uploads.forget_abandoned, storage.forget_incoming)
