"""`/api/v1/search`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from shared.contracts.memory import SearchResult

from api.http.caller import Caller
from api.http.services import provided
from api.search.schemas import SearchRequest
from api.search.service import SearchService

router = APIRouter(prefix="/api/v1/search", tags=["search"])
Service = Annotated[SearchService, Depends(provided(SearchService))]


@router.post("", response_model=SearchResult, summary="Find passages by word and by meaning")
async def search(wanted: SearchRequest, caller: Caller, service: Service) -> JSONResponse:
    """The best passages of everything the caller may read, the best first; `body[start:end]` of that version is `text`."""
    return JSONResponse(await service.search(caller, wanted))
