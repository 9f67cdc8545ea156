"""The outbox as publishers see it: who may publish what, and what became of it.

Claims, of whichever process, follow one another behind one advisory lock, and what a process has to say about earlier ones it says behind the same
lock. So of one key nobody ever claims a message while an older one is claimed by somebody else or waits to be tried again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.deliveries import REDELIVER
from shared.publishing.port import End, Outcome, Promise

if TYPE_CHECKING:
    from shared.db import Connection

TURN = 0x4D41525550
_HORIZON = timedelta(days=30) - timedelta(hours=1)
"""Cloud Tasks takes a task 30 days ahead at most; what is further off waits here."""
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 1.0, 300.0


async def take_turn(connection: Connection) -> None:
    """Wait for those who claim at this moment. A process that is frozen in between, as Cloud Run may do, loses its turn and its transaction."""
    await connection.execute(
        f"SET LOCAL lock_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; SELECT pg_advisory_xact_lock({TURN})"
    )


async def claim(connection: Connection, limit: int, lease_s: float) -> list[Promise]:
    """What is due, oldest first; nobody else gets it before the lease ends. Only on one's turn."""
    rows = await connection.fetch(
        """
        WITH due AS MATERIALIZED (
          SELECT o.id FROM outbox o
          WHERE (o.claimed_until IS NULL OR o.claimed_until <= statement_timestamp()) AND o.next_attempt_at <= statement_timestamp()
            AND (o.not_before IS NULL OR o.not_before <= statement_timestamp() + $3::interval)
            AND (o.key IS NULL OR NOT EXISTS (
              SELECT FROM outbox older
              WHERE older.key = o.key AND older.kind = o.kind AND older.topic_or_queue = o.topic_or_queue AND older.seq < o.seq
                AND (older.claimed_until > statement_timestamp() OR older.next_attempt_at > statement_timestamp())))
          ORDER BY o.seq LIMIT $1)
        UPDATE outbox o SET claimed_until = statement_timestamp() + make_interval(secs => $2), attempts = o.attempts + 1
        FROM due WHERE o.id = due.id
        RETURNING o.seq, o.id, o.kind, o.topic_or_queue AS name, o.key, o.body::text AS body, o.not_before, o.attempts AS attempt
        """,
        limit,
        lease_s,
        _HORIZON,
    )
    fields = ("id", "kind", "name", "key", "body", "not_before", "attempt")
    return [Promise(*(row[field] for field in fields)) for row in sorted(rows, key=lambda row: int(row["seq"]))]


async def settle(connection: Connection, outcomes: Sequence[Outcome]) -> None:
    """Write what became of promises. What has been carried goes, whoever claims it by now; all else is heard from its last claimant alone."""
    by_end: dict[End, list[Outcome]] = {end: [one for one in outcomes if one.end is end] for end in End}
    for lost in by_end[End.NEVER]:
        await _keep_as_dead_letter(connection, lost)
    if gone := [one.promise.id for end in (End.CARRIED, End.NEVER) for one in by_end[end]]:
        await connection.execute("DELETE FROM outbox WHERE id = ANY ($1)", gone)
    if failed := [*by_end[End.AGAIN], *by_end[End.AWAY]]:
        await connection.execute(
            """
            UPDATE outbox o SET claimed_until = NULL, last_error = f.cause, next_attempt_at = clock_timestamp() + make_interval(secs => f.wait_s)
            FROM unnest($1::uuid[], $2::int[], $3::text[], $4::float8[]) AS f(id, attempt, cause, wait_s)
            WHERE o.id = f.id AND o.attempts = f.attempt
            """,
            *_claims(failed),
            [one.cause for one in failed],
            [backoff_s(one.promise.attempt) for one in failed],
        )
    if held := by_end[End.HELD]:
        await connection.execute(
            """
            UPDATE outbox o SET claimed_until = NULL, attempts = o.attempts - 1
            FROM unnest($1::uuid[], $2::int[]) AS f(id, attempt) WHERE o.id = f.id AND o.attempts = f.attempt
            """,
            *_claims(held),
        )


def backoff_s(attempt: int) -> float:
    """How long to wait after the `attempt`-th failure (from 1)."""
    longest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 30))
    return longest * (0.75 + random.random() / 4)  # noqa: S311 - jitter


async def standing(connection: Connection) -> tuple[int, str | None]:
    """How many promises have failed and are still to be kept, and what the oldest of them says."""
    row = await connection.fetchrow(
        """
        SELECT count(*) AS waiting, (array_agg(topic_or_queue || ': ' || last_error ORDER BY seq))[1] AS says
        FROM outbox WHERE last_error IS NOT NULL
        """
    )
    return (0, None) if row is None else (int(row["waiting"]), row["says"])


async def keep_dead_letter(
    connection: Connection, message_id: str, kind: str, destination: str, key: str | None, body: Any, attempts: int, cause: str
) -> None:  # fmt: skip
    """Set a message aside for administrators; one that is there already stays as it is."""
    await connection.execute(
        "SELECT keep_dead_letter($1, $2, $3, $4, $5, $6, $7)",
        message_id,
        kind,
        destination,
        key,
        body,
        attempts,
        cause.replace("\0", "�"),
    )


async def _keep_as_dead_letter(connection: Connection, lost: Outcome) -> None:
    promise, body = lost.promise, json.loads(lost.promise.body)
    if promise.kind == "task" and promise.name == REDELIVER and isinstance(body, dict) and "subscription" in body:
        letter = (str(body["event_id"]), "push", str(body["subscription"]), body.get("key"), body.get("data"))
    else:
        letter = (str(promise.id), "publish" if promise.kind == "event" else "task", promise.name, promise.key, body)
    await keep_dead_letter(connection, *letter, promise.attempt, lost.cause)


def _claims(outcomes: Sequence[Outcome]) -> tuple[list[Any], list[int]]:
    return [one.promise.id for one in outcomes], [one.promise.attempt for one in outcomes]
