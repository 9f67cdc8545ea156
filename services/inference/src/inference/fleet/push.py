"""`/internal/push/job.submitted`: work has come, so the fleet is looked at before the minute is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends

if TYPE_CHECKING:
    from shared.http.callbacks import CallbackVerifier

    from inference.fleet.reconcile import Fleet

# Below the time that a push may take.
_LOOK_LIMIT_S = 25
# Many jobs at once are one reason to look; what comes in between waits for the minute's look.
_PAUSE_S = 10.0


def job_push_router(verify: CallbackVerifier, fleet: Fleet | None) -> APIRouter:
    """The route of the subscription. The message says nothing that the tables don't, so it is not read, and twice is as good as once."""
    router = APIRouter(prefix="/internal/push", include_in_schema=False, dependencies=[Depends(verify)])
    looked_at = -_PAUSE_S

    @router.post("/job.submitted", status_code=204)
    async def job_submitted() -> None:
        """204 also where hosts are not rented or the provider is away."""
        nonlocal looked_at
        if fleet is None or time.monotonic() - looked_at < _PAUSE_S:
            return
        looked_at = time.monotonic()
        await fleet.look(at_most_s=_LOOK_LIMIT_S)

    return router
