"""`/api/v1/jobs/{job_id}/file-results`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from api.http.caller import Caller
from api.http.services import provided
from api.result_filing.schemas import ResultFiling
from api.result_filing.service import ResultFilingService

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
Filing = Annotated[ResultFilingService, Depends(provided(ResultFilingService))]


@router.get("/{job_id}/file-results", summary="See how far results are kept as entries")
async def state(job_id: UUID, caller: Caller, filing: Filing) -> ResultFiling:
    """How many results became entries, and why some did not."""
    return await filing.state(caller, job_id)


@router.post("/{job_id}/file-results", status_code=202, summary="Keep results as entries")
async def ask(job_id: UUID, caller: Caller, filing: Filing) -> ResultFiling:
    """Each result becomes one entry of the space, in the caller's name; those that are entries stay, those that were skipped are tried again."""
    return await filing.ask(caller, job_id)
