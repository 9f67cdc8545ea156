"""The SQL of streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from shared.streams.events import StreamEvent, StreamStatus

if TYPE_CHECKING:
    from shared.db import Connection, Record

# A producer hands events to its listeners before they are stored. If it dies in between, somebody may have seen numbers that no row has; what is
# written after its death must come later than anything it can have handed out.
AFTER_DEATH_GAP = 100_000


async def create(
    connection: Connection,
    stream_id: UUID,
    *,
    space_id: UUID,
    kind: str,
    subject_id: UUID,
    owner_id: UUID | None = None,
    lease_s: float | None = None,
) -> None:
    """Begin a stream. With `lease_s` a producer must keep renewing it, or the sweep ends it as interrupted."""
    await connection.execute(
        """
        INSERT INTO streams (id, space_id, owner_id, kind, subject_id, lease_expires_at)
        VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
        """,
        stream_id,
        space_id,
        owner_id,
        kind,
        subject_id,
        lease_s,
    )


async def append_numbered(
    connection: Connection,
    stream_id: UUID,
    events: Sequence[StreamEvent],
    lease_s: float,
    *,
    wait_for_disk: bool = True,
) -> bool:
    """Store events that their only producer numbered, renew its lease, and tell whether it was asked to stop.

    Events of a stream that has ended meanwhile are dropped: the answer is then True as well. Without `wait_for_disk` the whole transaction commits
    without waiting: a crash of the database server may lose it, a crash of this process may not.
    """
    cancel = await connection.fetchval(
        """
        WITH alive AS (
          UPDATE streams SET last_seq = greatest(last_seq, $2), lease_expires_at = now() + make_interval(secs => $3)
          WHERE id = $1 AND status = 'running' RETURNING cancel_requested
        ), kept AS (
          -- A commit whose answer was lost is tried again.
          INSERT INTO stream_events (stream_id, seq, type, data)
          SELECT $1, e.seq, e.type, e.data FROM alive, unnest($4::bigint[], $5::text[], $6::jsonb[]) AS e (seq, type, data)
          ON CONFLICT DO NOTHING
        )
        SELECT cancel_requested, CASE WHEN $7 THEN '' ELSE set_config('synchronous_commit', 'off', true) END FROM alive
        """,
        stream_id,
        events[-1].seq if events else 0,
        lease_s,
        [event.seq for event in events],
        [event.type for event in events],
        [event.data for event in events],
        wait_for_disk,
    )
    return cancel is None or bool(cancel)


async def append(connection: Connection, stream_id: UUID, type_: str, data: dict[str, object]) -> StreamEvent | None:
    """Number and store one event in the caller's transaction; None when the stream has already ended."""
    seq = await connection.fetchval(
        "UPDATE streams SET last_seq = last_seq + 1 WHERE id = $1 AND status = 'running' RETURNING last_seq", stream_id
    )
    if seq is None:
        return None
    event = StreamEvent(seq, type_, data)
    await _insert(connection, stream_id, [event])
    return event


async def finish(connection: Connection, stream_id: UUID, status: StreamStatus, event: StreamEvent) -> bool:
    """End a stream with its terminal event; False when it had ended before, and then nothing is written."""
    ended = await connection.fetchval(
        """
        UPDATE streams SET status = $2, ended_at = now(), lease_expires_at = NULL, last_seq = greatest(last_seq, $3)
        WHERE id = $1 AND status = 'running' RETURNING true
        """,
        stream_id,
        status,
        event.seq,
    )
    if ended:
        await _insert(connection, stream_id, [event])
    return bool(ended)


async def finish_next(
    connection: Connection, stream_id: UUID, status: StreamStatus, type_: str, data: dict[str, object], *, gap: int = 1
) -> bool:
    """End a stream after its last stored event."""
    last = await connection.fetchval("SELECT last_seq FROM streams WHERE id = $1 FOR UPDATE", stream_id)
    return last is not None and await finish(connection, stream_id, status, StreamEvent(last + gap, type_, data))


async def read(connection: Connection, stream_id: UUID, after: int, limit: int = 500) -> list[StreamEvent]:
    """The next events in order."""
    rows = await connection.fetch(
        "SELECT seq, type, data FROM stream_events WHERE stream_id = $1 AND seq > $2 ORDER BY seq LIMIT $3",
        stream_id,
        after,
        limit,
    )
    return [StreamEvent(row["seq"], row["type"], row["data"]) for row in rows]


async def find(connection: Connection, stream_id: UUID) -> Record | None:
    """The stream itself, if the transaction may see it."""
    row: Record | None = await connection.fetchrow(
        "SELECT id, space_id, owner_id, kind, subject_id, status, last_seq FROM streams WHERE id = $1", stream_id
    )
    return row


async def request_cancel(connection: Connection, stream_id: UUID) -> StreamStatus | None:
    """Ask the producer to stop; the answer is the status now, None when there is no such stream in sight."""
    status: StreamStatus | None = await connection.fetchval(
        "UPDATE streams SET cancel_requested = cancel_requested OR status = 'running' WHERE id = $1 RETURNING status",
        stream_id,
    )
    return status


async def abandoned(connection: Connection, limit: int = 100) -> list[Record]:
    """Streams whose producer stopped renewing its lease: `id, space_id, kind, subject_id`."""
    rows: list[Record] = await connection.fetch(
        "SELECT id, space_id, kind, subject_id FROM abandoned_streams($1)", limit
    )
    return rows


async def lock_abandoned(connection: Connection, stream_id: UUID) -> bool:
    """Lock a stream and tell whether its producer's lease is still over: it may have been renewed since `abandoned` looked."""
    over = await connection.fetchval(
        "SELECT status = 'running' AND lease_expires_at < now() FROM streams WHERE id = $1 FOR UPDATE", stream_id
    )
    return bool(over)


async def _insert(connection: Connection, stream_id: UUID, events: Sequence[StreamEvent]) -> None:
    if events:
        await connection.executemany(
            "INSERT INTO stream_events (stream_id, seq, type, data) VALUES ($1, $2, $3, $4)",
            [(stream_id, event.seq, event.type, event.data) for event in events],
        )
