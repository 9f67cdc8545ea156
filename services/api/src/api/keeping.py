"""Wires the filing of results: what machines made becomes files and entries. A part of the composition root, since it joins three features."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

from shared.http.later import include_later
from shared.storage.disposition import safe_filename

from api.entries.schemas import NewEntry
from api.entries.service import EntryService
from api.result_filing.callbacks import filing_router
from api.result_filing.service import ResultFilingService
from api.uploads.schemas import NewUpload
from api.uploads.service import UploadService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database, Principal
    from shared.http.callbacks import CallbackVerifier
    from shared.outbox import Relay
    from shared.storage.media import Kind

    from api.http.services import ServiceRegistry
    from api.result_filing.store import Result


def add_result_filing(
    app: FastAPI, services: ServiceRegistry, database: Database, relay: Relay, callbacks: CallbackVerifier
) -> None:
    """Add the routes and their service; nothing is opened."""
    uploads, entries = services.get(UploadService), services.get(EntryService)

    async def keep(person: Principal, upload_id: UUID, result: Result) -> Kind:
        file = NewUpload(
            filename=_name(result),
            content_type=result.output_type or "",
            size=result.output_size or 1,
            space_id=result.space_id,
        )
        return await uploads.adopt(person, upload_id, file, result.output_key or "")

    async def write(person: Principal, kind: Kind, upload_id: UUID, result: Result) -> UUID:
        new = NewEntry(kind=kind, title=_name(result), space_id=result.space_id, uploads=[upload_id])
        return UUID(json.loads(await entries.create(person, new, None))["id"])

    filing = ResultFilingService(database, relay, keep, write)
    services.add(filing)
    include_later(app, "api.result_filing.routes")
    app.include_router(filing_router(callbacks, database, filing))


def _name(result: Result) -> str:
    return safe_filename(result.output_name or "result")
