"""Summaries for administrators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.errors import Unprocessable
from shared.http.pages import decode_page_token, encode_page_token

from api.admin import store
from api.admin.schemas import ApiLog, ApiLogPage, EndpointUsage, ModelUsage, Usage
from api.http import positions

if TYPE_CHECKING:
    from shared.db import Database, Principal, Record

_KEPT_DAYS = 30
_DEFAULT_DAYS = 7


class PeriodBackwards(Unprocessable):
    """The period ends before it begins."""

    code = "period_backwards"
    default_detail = "`from` must lie before `to`."


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which calls are wanted."""

    min_status: int | None = None
    user_id: UUID | None = None
    request_id: str | None = None

    def key(self) -> tuple[Any, ...]:
        """What a page token is bound to."""
        return (self.min_status, self.user_id, self.request_id)


class AdminService:
    """Reads what belongs to no tenant: calls and sums. The routes let administrators in only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def logs(self, wanted: LogFilter, size: int, token: str | None) -> ApiLogPage:
        """Calls, the latest first."""
        position = decode_page_token(token, 1, wanted.key())
        before = positions.number(position[0]) if position else None
        async with self._database.service_tx() as connection:
            rows = await store.logs_page(connection, wanted, before, size + 1)
        more = encode_page_token((str(rows[size - 1]["id"]),), wanted.key()) if len(rows) > size else None
        return ApiLogPage(logs=[ApiLog.model_validate(dict(row)) for row in rows[:size]], next_page_token=more)

    async def usage(self, principal: Principal, since: datetime | None, until: datetime | None) -> Usage:
        """Calls, errors, latency and cost of a period, the last seven days unless given."""
        end = until or datetime.now(UTC) + timedelta(minutes=1)
        begin = since or end - timedelta(days=_DEFAULT_DAYS)
        if begin >= end:
            raise PeriodBackwards
        async with self._database.service_tx() as connection:
            totals = await store.totals(connection, begin, end)
            endpoints = await store.by_endpoint(connection, begin, end)
        async with self._database.tenant_tx(principal) as connection:
            models = [ModelUsage.model_validate(dict(row)) for row in await store.model_usage(connection, begin, end)]
        return Usage(
            since=begin,
            until=end,
            **_counted(totals),
            people=totals["people"],
            cost_micros=sum(model.cost_micros for model in models),
            endpoints=[
                EndpointUsage(method=row["method"], endpoint=row["endpoint"], **_counted(row)) for row in endpoints
            ],
            models=models,
        )

    async def sweep(self) -> None:
        """Forget calls after 30 days."""
        async with self._database.service_tx() as connection:
            await store.forget_logs(connection, _KEPT_DAYS)


def _counted(row: Record) -> dict[str, Any]:
    p50, p95 = row["ranks"] or (None, None)
    return {name: row[name] for name in ("calls", "client_errors", "server_errors")} | {"p50_ms": p50, "p95_ms": p95}
