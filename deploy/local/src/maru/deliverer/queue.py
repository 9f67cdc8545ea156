"""The deliveries table: every statement the deliverer runs.

None of these commits waits for the disk. A crash of the machine may undo the last of them, which delivers a message again; receivers keep each
message once, and nothing that a person was told depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.deliveries import Route


# First half of the advisory lock that shows a deliverer to be alive; the second half is its number.
_ALIVE = 0x4D415255
_MOVERS = 0x4D415256
# Cloud Tasks keeps a name for about an hour.
_NAMES_KEPT = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt; `attempt` fences what is later said about it."""

    id: int
    message_id: UUID
    subscription: str
    key: str | None
    body: str
    published_at: datetime
    attempt: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: delivered (`retry_in_s` and `error` are None), to be tried again, or dead (only `error`)."""

    delivery: Delivery
    error: str | None = None
    retry_in_s: float | None = None


async def relax(connection: Connection) -> None:
    """Do not wait for the disk at the end of this transaction."""
    await connection.execute("SET LOCAL synchronous_commit = off")


async def enlist(connection: Any, deliverer: int) -> None:
    """Show that `deliverer` is alive for as long as `connection` is open."""
    await connection.execute("SELECT pg_advisory_lock($1, $2)", _ALIVE, deliverer)


async def take_back(connection: Connection) -> int:
    """Make what dead deliverers had claimed ready again; how many rows that were."""
    answer = await connection.execute(
        """
        UPDATE local.deliveries SET claimed_by = NULL, run_at = now()
        WHERE claimed_by IS NOT NULL AND claimed_by NOT IN (
          SELECT objid::int FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
        """,
        _ALIVE,
    )
    return int(answer.split()[-1])


async def move(connection: Connection, routes: Sequence[Route], limit: int) -> int:
    """Turn outbox rows into deliveries, one for each subscription; how many rows left the outbox.

    One mover at a time: two could commit the rows of one key in the wrong order. A fact without a subscriber is dropped, as Pub/Sub does; a command
    for a queue that does not exist becomes a dead letter.
    """
    moved: int = await connection.fetchval(
        """
        WITH mover AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($4, 0) AS ours),
        taken AS (
          DELETE FROM maru.outbox WHERE id IN (
            SELECT o.id FROM maru.outbox o, mover WHERE mover.ours ORDER BY o.seq LIMIT $3 FOR UPDATE OF o SKIP LOCKED)
          RETURNING id, seq, kind, topic_or_queue, key, body, not_before, created_at),
        routes AS (SELECT name, source, only_if FROM unnest($1::text[], $2::text[], $5::jsonb[]) AS r(name, source, only_if)),
        receivers AS (
          SELECT t.*, coalesce(r.name, t.topic_or_queue) AS subscription, r.name IS NULL AS unknown
          FROM taken t LEFT JOIN routes r ON r.source = t.topic_or_queue AND t.body @> r.only_if
          WHERE r.name IS NOT NULL OR t.kind = 'task'),
        inserted AS (
          INSERT INTO local.deliveries (message_id, subscription, kind, key, seq, body, published_at, run_at, dead_at, last_error)
          SELECT id, subscription, kind, CASE kind WHEN 'event' THEN key END, seq, body, created_at, greatest(now(), coalesce(not_before, now())),
            CASE WHEN unknown THEN now() END, CASE WHEN unknown THEN 'there is no queue of this name' END
          FROM receivers WHERE kind = 'event' OR NOT EXISTS (SELECT FROM local.finished_tasks f WHERE f.message_id = receivers.id)
          ORDER BY seq
          ON CONFLICT (message_id, subscription) DO NOTHING)
        SELECT count(*) FROM taken
        """,
        [route.name for route in routes],
        [route.source for route in routes],
        limit,
        _MOVERS,
        [dict(route.only) for route in routes],
    )
    return moved


async def claim(connection: Connection, deliverer: int, free: Sequence[tuple[Route, int]]) -> list[Delivery]:
    """Take what is due, at most so many of each route; of one key only the oldest, and only when nothing older of it is left."""
    rows = await connection.fetch(
        """
        WITH ready AS MATERIALIZED (
          SELECT d.id, r.lease_s FROM unnest($2::text[], $3::int[], $4::float8[]) AS r(name, free, lease_s) CROSS JOIN LATERAL (
            SELECT id FROM local.deliveries d
            WHERE d.subscription = r.name AND d.dead_at IS NULL AND d.run_at <= now() AND (d.key IS NULL OR NOT EXISTS (
              SELECT FROM local.deliveries older
              WHERE older.subscription = d.subscription AND older.key = d.key AND older.seq < d.seq AND older.dead_at IS NULL))
            ORDER BY d.run_at, d.seq LIMIT r.free FOR UPDATE SKIP LOCKED) d)
        UPDATE local.deliveries d SET claimed_by = $1, attempts = d.attempts + 1, run_at = now() + make_interval(secs => ready.lease_s)
        FROM ready WHERE d.id = ready.id
        RETURNING d.id, d.message_id, d.subscription, d.key, d.body::text AS body, d.published_at, d.attempts AS attempt
        """,
        deliverer,
        [route.name for route, _ in free],
        [number for _, number in free],
        # Beyond the deadline of the attempt: a lease must not end while its holder still waits for the answer.
        [route.deadline_s + 10 for route, _ in free],
    )
    return [Delivery(**row) for row in sorted(rows, key=lambda row: int(row["id"]))]


async def finish(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Write how attempts ended; what is said about an attempt that is no longer the current one changes nothing."""
    done = [outcome.delivery for outcome in outcomes if outcome.error is None]
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if done:
        await connection.execute(
            """
            WITH gone AS (
              DELETE FROM local.deliveries d USING unnest($1::bigint[], $2::int[]) AS f(id, attempt)
              WHERE d.id = f.id AND d.attempts = f.attempt RETURNING d.message_id, d.kind)
            INSERT INTO local.finished_tasks (message_id) SELECT message_id FROM gone WHERE kind = 'task' ON CONFLICT DO NOTHING
            """,
            [delivery.id for delivery in done],
            [delivery.attempt for delivery in done],
        )
    if failed:
        await connection.execute(
            """
            UPDATE local.deliveries d SET claimed_by = NULL, last_error = f.error,
              run_at = now() + make_interval(secs => coalesce(f.retry_in_s, 0)), dead_at = CASE WHEN f.retry_in_s IS NULL THEN now() END
            FROM unnest($1::bigint[], $2::int[], $3::text[], $4::float8[]) AS f(id, attempt, error, retry_in_s)
            WHERE d.id = f.id AND d.attempts = f.attempt
            """,
            [outcome.delivery.id for outcome in failed],
            [outcome.delivery.attempt for outcome in failed],
            [outcome.error for outcome in failed],
            [outcome.retry_in_s for outcome in failed],
        )


async def release(connection: Connection, deliverer: int) -> None:
    """Give back what was claimed and not tried to its end; the attempt does not count."""
    await connection.execute(
        "UPDATE local.deliveries SET claimed_by = NULL, run_at = now(), attempts = attempts - 1 WHERE claimed_by = $1",
        deliverer,
    )


async def forget_names(connection: Connection) -> None:
    """Free the names of tasks that ended long ago."""
    await connection.execute("DELETE FROM local.finished_tasks WHERE finished_at < now() - $1::interval", _NAMES_KEPT)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, with its cause."""

    id: int
    subscription: str
    key: str | None
    attempts: int
    died_at: datetime
    cause: str


async def dead_letters(connection: Connection, limit: int = 100) -> list[DeadLetter]:
    """The newest dead letters, also those that were given up in the cloud."""
    rows = await connection.fetch(
        """
        SELECT id, subscription, key, attempts, dead_at AS died_at, coalesce(last_error, '') AS cause
        FROM local.deliveries WHERE dead_at IS NOT NULL
        UNION ALL SELECT id, destination, key, attempts, died_at, cause FROM maru.dead_letters
        ORDER BY died_at DESC LIMIT $1
        """,
        limit,
    )
    return [DeadLetter(**row) for row in rows]


async def retry_dead_letters(connection: Connection, ids: Sequence[int] | None = None) -> int:
    """Try dead letters again from the first attempt (all of them when no `ids` are given); how many."""
    answer = await connection.execute(
        """
        UPDATE local.deliveries SET dead_at = NULL, attempts = 0, run_at = now(), last_error = NULL
        WHERE dead_at IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY ($1))
        """,
        None if ids is None else list(ids),
    )
    promised: int = await connection.fetchval(
        "SELECT maru.publish_dead_letters($1)", None if ids is None else list(ids)
    )
    return int(answer.split()[-1]) + promised


async def backlog(connection: Connection) -> dict[str, int]:
    """How many messages wait in the outbox, wait for delivery, and are dead."""
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM maru.outbox) AS outbox, count(*) FILTER (WHERE dead_at IS NULL) AS waiting,
          count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead
        FROM local.deliveries
        """
    )
    return dict(row) if row else {}
