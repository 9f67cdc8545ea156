"""All results of a job: for whoever is signed in, and behind a signed link for a browser that only follows addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from shared.storage.disposition import content_disposition

from api.http.caller import Caller
from api.http.services import provided
from api.jobs.results import ResultsService
from api.jobs.schemas import ResultsLink

if TYPE_CHECKING:
    from api.jobs.results import Download

router = APIRouter(tags=["jobs"])
Results = Annotated[ResultsService, Depends(provided(ResultsService))]
Part = Annotated[str, Query(max_length=100)]
_ZIP = "application/zip"
_ARCHIVE: dict[str, Any] = {
    "response_class": StreamingResponse,
    "responses": {200: {"description": "A ZIP archive, sent while it is read", "content": {_ZIP: {}}}},
}


@router.get("/api/v1/jobs/{job_id}/results.zip", summary="Download all results", **_ARCHIVE)
async def download(job_id: UUID, caller: Caller, results: Results) -> StreamingResponse:
    """What is done by now, in the job's order, each under its input's name. An archive that could not be sent whole ends without its directory."""
    return _answer(await results.download(caller, job_id))


@router.post("/api/v1/jobs/{job_id}/results-link", summary="Make a link to all results")
async def link(job_id: UUID, caller: Caller, results: Results) -> ResultsLink:
    """For a browser, which sends no token when it follows a link. Good for some minutes and for whoever has it."""
    return await results.link(caller, job_id)


@router.get("/downloads/jobs/{job_id}/results.zip", summary="Download all results by a link", **_ARCHIVE)
async def linked(
    job_id: UUID, results: Results, by: Part = "", expires: Part = "", signature: Part = ""
) -> StreamingResponse:
    """The address comes from `POST /api/v1/jobs/{job_id}/results-link`; whatever is changed in it makes it worthless."""
    return _answer(await results.linked(job_id, by, expires, signature))


def _answer(archive: Download) -> StreamingResponse:
    headers = {
        "Content-Disposition": content_disposition(_ZIP, archive.filename),
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(archive.pieces, media_type=_ZIP, headers=headers)
