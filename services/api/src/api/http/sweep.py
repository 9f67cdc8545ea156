"""`/internal/sweep`: what is to be tidied each minute, called by the scheduler."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Depends
from shared.errors import Unavailable
from shared.http.callbacks import CallbackVerifier

Job = Callable[[], Awaitable[object]]

log = logging.getLogger(__name__)


class SweepIncomplete(Unavailable):
    """At least one job failed; the others have run. The next sweep tries again."""

    code = "sweep_incomplete"
    default_detail = "Not everything could be tidied. The log says what; the next sweep tries again."


def sweep_router(verify: CallbackVerifier, jobs: Sequence[Job]) -> APIRouter:
    """The route; every job runs, whatever the one before it did."""
    router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(verify)])

    @router.post("/sweep", status_code=204)
    async def sweep() -> None:
        failed = [job for job in jobs if not await _succeeds(job)]
        if failed:
            raise SweepIncomplete

    return router


async def _succeeds(job: Job) -> bool:
    try:
        await job()
    except Exception:
        log.exception("a job of the sweep failed")
        return False
    return True
