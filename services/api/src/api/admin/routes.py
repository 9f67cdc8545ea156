"""`/api/v1/admin`: administrators only."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from api.admin.schemas import ApiLogPage, Usage
from api.admin.service import AdminService, LogFilter
from api.http.caller import Admin
from api.http.services import provided
from api.http.values import Moment, Until

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])
Service = Annotated[AdminService, Depends(provided(AdminService))]


@router.get("/api-logs", summary="List calls")
async def api_logs(
    admin: Admin,  # noqa: ARG001 - the guard
    service: Service,
    min_status: Annotated[int | None, Query(ge=100, le=599)] = None,
    user_id: UUID | None = None,
    request_id: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._\-]{8,64}$")] = None,
    page_size: Annotated[int, Query(ge=1, le=500)] = 100,
    page_token: Annotated[str | None, Query(max_length=500)] = None,
) -> ApiLogPage:
    """Calls of the last 30 days, the latest first, without anything people wrote."""
    return await service.logs(LogFilter(min_status, user_id, request_id), page_size, page_token)


@router.get("/usage", summary="Summarise a period")
async def usage(
    admin: Admin,
    service: Service,
    since: Annotated[Moment | None, Query(alias="from", description="Seven days before `to` unless given")] = None,
    until: Annotated[Until | None, Query(alias="to", description="Now unless given")] = None,
) -> Usage:
    """Calls, errors, latency and cost."""
    return await service.usage(admin, since, until)
