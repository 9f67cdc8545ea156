"""`/api/v1/admin/dead-letters`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from api.http.caller import Admin
from api.http.services import provided
from api.letters.schemas import DeadLetterPage, Kind, LetterId
from api.letters.service import DeadLetterService

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])
Letters = Annotated[DeadLetterService, Depends(provided(DeadLetterService))]


@router.get("/dead-letters", summary="List what was given up")
async def dead_letters(
    admin: Admin,
    letters: Letters,
    kind: Kind | None = None,
    page_size: Annotated[int, Query(ge=1, le=200)] = 50,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
) -> DeadLetterPage:
    """Everybody's, the latest first, without anything people wrote."""
    return await letters.page(admin, kind, page_size, page_token)


@router.post("/dead-letters/{letter_id}/retry", status_code=204, summary="Try again")
async def retry(letter_id: LetterId, admin: Admin, letters: Letters) -> None:
    """A task waits for workers again, as if its job's owner had asked; a message is delivered again."""
    await letters.retry(admin, letter_id)
