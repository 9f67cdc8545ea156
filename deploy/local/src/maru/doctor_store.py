"""What the doctor reads, as the database's owner: numbers and codes, never content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.db import Connection


async def server(connection: Connection) -> dict[str, Any]:
    """Version, size in MiB, and the age in seconds of the oldest open transaction."""
    row = await connection.fetchrow(
        """
        SELECT current_setting('server_version') AS version, pg_database_size(current_database()) / 1048576 AS size_mib,
          coalesce(extract(epoch FROM max(now() - xact_start) FILTER (WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())), 0)::int
            AS oldest_transaction_s
        FROM pg_stat_activity WHERE datname = current_database()
        """
    )
    return dict(row) if row else {}


async def has_schema(connection: Connection) -> bool:
    """Whether a Maru has ever started on this database."""
    return bool(
        await connection.fetchval(
            "SELECT to_regclass('maru.entries') IS NOT NULL AND to_regclass('local.deliveries') IS NOT NULL"
        )
    )


async def entries(connection: Connection) -> dict[str, Any]:
    """How many entries are ready, failed, at work, and at work without a sign of life for ten minutes."""
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE status = 'ready') AS ready, count(*) FILTER (WHERE status = 'failed') AS failed,
          count(*) FILTER (WHERE status = 'processing') AS processing,
          count(*) FILTER (WHERE status = 'processing' AND worked_at < now() - interval '10 minutes') AS stuck
        FROM maru.entries
        """
    )
    return dict(row) if row else {}


async def failures(connection: Connection) -> list[tuple[str, int]]:
    """The causes of failed entries, the most frequent first."""
    rows = await connection.fetch(
        "SELECT error ->> 'code' AS code, count(*) AS number FROM maru.entries WHERE status = 'failed' GROUP BY 1 ORDER BY 2 DESC LIMIT 5"
    )
    return [(row["code"] or "unknown", row["number"]) for row in rows]


async def workers(connection: Connection) -> dict[str, Any]:
    """How many workers were heard of lately (`online`, of these `busy`), and how many tasks `wait`."""
    row = await connection.fetchrow(
        """
        WITH heard AS (
          SELECT w.id FROM maru.workers w JOIN maru.worker_tokens t ON t.id = w.token_id
          WHERE w.stopped_at IS NULL AND t.revoked_at IS NULL AND w.seen_at > now() - interval '90 seconds')
        SELECT (SELECT count(*) FROM heard) AS online,
          (SELECT count(DISTINCT worker_id) FROM maru.tasks WHERE status = 'processing' AND worker_id IN (SELECT id FROM heard)) AS busy,
          (SELECT count(*) FROM maru.tasks WHERE status = 'queued') AS waiting
        """
    )
    return dict(row) if row else {}


async def oldest_waiting_s(connection: Connection) -> int:
    """For how long the oldest message that is due has been waiting."""
    seconds: int = await connection.fetchval(
        """
        SELECT coalesce(extract(epoch FROM now() - least(
          (SELECT min(created_at) FROM maru.outbox WHERE not_before IS NULL OR not_before <= now()),
          (SELECT min(published_at) FROM local.deliveries WHERE dead_at IS NULL AND run_at <= now()))), 0)::int
        """
    )
    return seconds


async def set_aside(connection: Connection) -> list[tuple[str, str, int]]:
    """Messages that could not be understood: topic, reason, how many."""
    rows = await connection.fetch(
        "SELECT topic, reason, count(*) AS number FROM maru.parked_messages GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 5"
    )
    return [(row["topic"], row["reason"], row["number"]) for row in rows]
