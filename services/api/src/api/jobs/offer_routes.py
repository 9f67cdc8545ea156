"""`/api/v1/runners`, and what people learn about workers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from api.http.caller import Caller
from api.http.services import provided
from api.jobs.offers import OffersService
from api.jobs.schemas import Estimate, EstimateRequest, Runners, WorkersSummary

router = APIRouter(prefix="/api/v1", tags=["jobs"])
Offers = Annotated[OffersService, Depends(provided(OffersService))]


@router.get("/runners", summary="List runners")
async def runners(caller: Caller, offers: Offers) -> Runners:
    """What can be run, with a JSON Schema of what each takes and how many workers are there for it."""
    return await offers.runners(caller)


@router.get("/workers/summary", summary="Count workers")
async def workers(caller: Caller, offers: Offers) -> WorkersSummary:
    """Those that work for a space of the caller's."""
    return await offers.summary(caller)


@router.post("/jobs/estimate", summary="Estimate a job")
async def estimate(asked: EstimateRequest, caller: Caller, offers: Offers) -> Estimate:
    """From what the same runner took before. Nothing is stored."""
    return await offers.estimate(caller, asked)
