"""What the scheduler calls each minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from shared.http import rate_store

if TYPE_CHECKING:
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier


def sweep_router(callbacks: CallbackVerifier, database: Database) -> APIRouter:
    """`POST /internal/sweep`, for our own scheduler only."""
    router = APIRouter(tags=["internal"])

    @router.post("/internal/sweep", status_code=204, dependencies=[Depends(callbacks)])
    async def sweep() -> None:
        """Tidy up; a second call at once finds nothing left to do."""
        async with database.service_tx() as connection:
            await rate_store.forget_idle(connection)

    return router
