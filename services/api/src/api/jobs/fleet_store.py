"""The SQL of workers, and of what tasks took before, as everybody may know them. Asked as the service itself: nothing here is a tenant's."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def my_spaces(connection: Connection) -> list[UUID]:
    """The spaces this person belongs to."""
    rows = await connection.fetch("SELECT space_id FROM space_members WHERE user_id = (SELECT auth.uid())")
    return [row["space_id"] for row in rows]


async def ready_workers(connection: Connection, spaces: list[UUID], heard_within_s: float) -> list[Record]:
    """Workers that take tasks of any of the spaces now: `id, capabilities`, and `runners` where their token is limited to some."""
    rows: list[Record] = await connection.fetch(
        """
        SELECT w.id, w.capabilities, t.runners FROM workers w JOIN worker_tokens t ON t.id = w.token_id
        WHERE w.seen_at > now() - make_interval(secs => $2) AND NOT w.draining AND w.stopped_at IS NULL AND t.revoked_at IS NULL
          AND (t.space_ids IS NULL OR t.space_ids && $1::uuid[])
        """,
        spaces,
        heard_within_s,
    )
    return rows


async def busy_workers(connection: Connection) -> frozenset[UUID]:
    """Those that hold a task of anybody's."""
    found: list[UUID] = await connection.fetchval("SELECT busy_workers()")
    return frozenset(found)


async def times(connection: Connection, runner: str) -> list[Record]:
    """What done tasks of a runner took, summed by GPU: `gpu_name, tasks, run_ms, cost_micros`."""
    rows: list[Record] = await connection.fetch(
        "SELECT gpu_name, tasks, run_ms, cost_micros FROM runner_times WHERE runner = $1 AND tasks > 0", runner
    )
    return rows
