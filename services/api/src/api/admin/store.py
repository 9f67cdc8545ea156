"""The SQL of call logs and summaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    from shared.db import Connection, Record
    from shared.http.access import AccessLog

    from api.admin.service import LogFilter

_RANK = "percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY response_time_ms)"
_COUNTS = """
count(*) AS calls, count(*) FILTER (WHERE status_code BETWEEN 400 AND 499) AS client_errors,
count(*) FILTER (WHERE status_code >= 500) AS server_errors
"""


async def add_logs(connection: Connection, logs: Sequence[tuple[float, AccessLog]]) -> None:
    """Insert calls in one statement; each comes with how many seconds ago it ended."""
    await connection.execute(
        """
        INSERT INTO api_logs (created_at, request_id, user_id, method, endpoint, status_code, response_time_ms, error_message)
        SELECT now() - make_interval(secs => ago), r, u, m, e, s, t, c
        FROM unnest($1::float8[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::text[]) AS l(ago, r, u, m, e, s, t, c)
        """,
        [ago for ago, _ in logs],
        [log.request_id for _, log in logs],
        [UUID(log.user_id) if log.user_id else None for _, log in logs],
        [log.method for _, log in logs],
        [log.endpoint for _, log in logs],
        [log.status_code for _, log in logs],
        [log.response_time_ms for _, log in logs],
        [log.error_code for _, log in logs],
    )


async def logs_page(connection: Connection, wanted: LogFilter, before: int | None, limit: int) -> list[Record]:
    """Calls, the latest first."""
    return await connection.fetch(
        """
        SELECT id, request_id, user_id, method, endpoint, status_code, response_time_ms, error_message, created_at FROM api_logs
        WHERE ($1::bigint IS NULL OR id < $1) AND ($2::int IS NULL OR status_code >= $2) AND ($3::uuid IS NULL OR user_id = $3)
          AND ($4::text IS NULL OR request_id = $4)
        ORDER BY id DESC LIMIT $5
        """,
        before,
        wanted.min_status,
        wanted.user_id,
        wanted.request_id,
        limit,
    )


async def totals(connection: Connection, since: datetime, until: datetime) -> Record:
    """One row about all calls of a period."""
    row: Record | None = await connection.fetchrow(
        f"SELECT {_COUNTS}, count(DISTINCT user_id) AS people, {_RANK} AS ranks FROM api_logs WHERE created_at >= $1 AND created_at < $2",  # noqa: S608
        since,
        until,
    )
    assert row is not None, "an aggregate without GROUP BY gives one row"
    return row


async def by_endpoint(connection: Connection, since: datetime, until: datetime) -> list[Record]:
    """One row for each endpoint that was called, the most called first."""
    return await connection.fetch(
        f"""
        SELECT method, endpoint, {_COUNTS}, {_RANK} AS ranks FROM api_logs WHERE created_at >= $1 AND created_at < $2
        GROUP BY method, endpoint ORDER BY calls DESC, endpoint, method LIMIT 200
        """,  # noqa: S608 - constants of this module
        since,
        until,
    )


async def model_usage(connection: Connection, since: datetime, until: datetime) -> list[Record]:
    """Who used which model; empty unless the caller administers."""
    return await connection.fetch("SELECT * FROM maru.usage_summary($1, $2)", since, until)


async def forget_logs(connection: Connection, days: int) -> None:
    """Drop old calls, some thousands at a time."""
    await connection.execute(
        """
        DELETE FROM api_logs WHERE id IN
          (SELECT id FROM api_logs WHERE created_at < now() - make_interval(days => $1) ORDER BY created_at LIMIT 20000)
        """,
        days,
    )
