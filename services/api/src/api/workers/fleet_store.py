"""The SQL of workers, queues and hosts as administrators see them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def workers(connection: Connection, online_s: float, limit: int) -> list[Record]:
    """Workers with their token's name and host, those seen last first."""
    rows: list[Record] = await connection.fetch(
        """
        SELECT w.id, w.worker_id, w.token_id, t.name AS token_name, w.capabilities, w.version, w.registered_at, w.seen_at, w.draining, w.stopped_at,
          t.revoked_at IS NULL AND w.stopped_at IS NULL AND w.seen_at > now() - make_interval(secs => $1) AS online,
          CASE WHEN h.id IS NOT NULL
            THEN jsonb_build_object('id', h.id, 'label', h.label, 'provider', h.provider, 'gpu_name', h.gpu_name) END AS host
        FROM workers w JOIN worker_tokens t ON t.id = w.token_id
        LEFT JOIN LATERAL (SELECT * FROM gpu_hosts g WHERE g.token_id = w.token_id ORDER BY g.created_at DESC LIMIT 1) h ON true
        ORDER BY w.seen_at DESC, w.id LIMIT $2
        """,
        online_s,
        limit,
    )
    return rows


async def drain(connection: Connection, worker_id: UUID) -> bool:
    """Give a worker nothing more; False when there is none."""
    return bool(await connection.fetchval("UPDATE workers SET draining = true WHERE id = $1 RETURNING true", worker_id))


async def in_hand(connection: Connection, each: int) -> list[Record]:
    """The tasks that workers hold, at most so many of each; empty unless the caller administers."""
    rows: list[Record] = await connection.fetch("SELECT * FROM tasks_in_hand($1)", each)
    return rows


async def queues(connection: Connection) -> list[Record]:
    """Queues that hold anything; empty unless the caller administers."""
    rows: list[Record] = await connection.fetch("SELECT * FROM queue_summary()")
    return rows


async def hosts(connection: Connection, limit: int) -> list[Record]:
    """Rented machines, the newest first; those that run cost until now."""
    rows: list[Record] = await connection.fetch(
        """
        SELECT id, provider, provider_id, label, gpu_name, gpu_memory_gib, price_micros_per_hour / 1e6::float8 AS price_per_hour, status, created_at,
          ready_at, idle_since, drain_at, stopped_at, reason,
          CASE WHEN status = 'stopped' THEN cost_micros
            ELSE greatest(cost_micros, (price_micros_per_hour * extract(epoch FROM now() - created_at) / 3600)::bigint) END AS cost_micros
        FROM gpu_hosts ORDER BY created_at DESC, id LIMIT $1
        """,
        limit,
    )
    return rows
