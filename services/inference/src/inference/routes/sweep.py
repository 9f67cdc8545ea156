"""What the scheduler calls each minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends

if TYPE_CHECKING:
    from shared.http.callbacks import CallbackVerifier

    from inference.sweep import Sweep


def sweep_router(callbacks: CallbackVerifier, sweep: Sweep) -> APIRouter:
    """`POST /internal/sweep`, for our own scheduler only."""
    router = APIRouter(tags=["internal"])

    @router.post("/internal/sweep", status_code=204, dependencies=[Depends(callbacks)])
    async def tidy() -> None:
        """Tidy up; a second call at once finds nothing left to do."""
        await sweep.run()

    return router
