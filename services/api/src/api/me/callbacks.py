"""What the queues call: an account that was erased is to be removed elsewhere too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends

from api.me.erasure import QUEUE, EraseAccount, ErasureService

if TYPE_CHECKING:
    from shared.http.callbacks import CallbackVerifier


def erasure_router(verify: CallbackVerifier, erasure: ErasureService) -> APIRouter:
    """The route, which may be called again."""
    router = APIRouter(prefix="/internal/tasks", include_in_schema=False, dependencies=[Depends(verify)])

    @router.post(f"/{QUEUE}", status_code=204)
    async def erase_account(task: EraseAccount) -> None:
        await erasure.finish(task)

    return router
