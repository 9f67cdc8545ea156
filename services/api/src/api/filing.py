"""Wires files: uploads and, on one machine, the signed addresses themselves. A part of the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from shared.http.later import include_later
from shared.storage.folder import FolderStore

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
    include_later(app, "api.uploads.routes")
    if not isinstance(storage, FolderStore):
        return (uploads.forget_abandoned,)
    services.add(storage)
    include_later(app, "api.files.routes")
    return (uploads.forget_abandoned, storage.forget_incoming)
