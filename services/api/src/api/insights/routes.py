"""`/api/v1/insights`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from shared.contracts.memory import InsightsOverview

from api.http.caller import Caller
from api.http.services import provided
from api.http.values import Moment, Until
from api.insights.schemas import OverviewFilter
from api.insights.service import InsightsService

router = APIRouter(prefix="/api/v1/insights", tags=["insights"])
Service = Annotated[InsightsService, Depends(provided(InsightsService))]


@router.get("/overview", response_model=InsightsOverview, summary="Topics, moods and days in numbers")
async def overview(
    caller: Caller,
    service: Service,
    since: Annotated[Moment | None, Query(alias="from", description="Happened then or later")] = None,
    until: Annotated[
        Until | None, Query(alias="to", description="Happened before; a bare date includes that day")
    ] = None,
    space_id: UUID | None = None,
    person_id: UUID | None = None,
    tz: Annotated[
        str, Query(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+/-]*$", description="Where a day begins: Asia/Seoul")
    ] = "UTC",
) -> Response:
    """The fifty commonest topics, emotions by week, entries by day; corrections count, not what they replaced."""
    text = await service.overview(caller, OverviewFilter(since, until, space_id, person_id, tz))
    return Response(text, media_type="application/json")
