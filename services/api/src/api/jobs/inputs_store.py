"""The SQL that makes tasks: one statement for ten thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

    from api.jobs.schemas import InputFilter


@dataclass(frozen=True, slots=True)
class TaskRows:
    """New tasks of one job. Each of the sequences has one element for a task; an input is an upload's id, an object's key, or nothing.

    `outputs` names, where the key is that of a result, the task that it belongs to.
    """

    job_id: UUID
    space_id: UUID
    queue_id: int
    priority: int
    max_failures: int
    status: str
    first_seq: int
    base_turn: int
    ids: Sequence[UUID]
    paths: Sequence[str | None]
    uploads: Sequence[UUID | None]
    outputs: Sequence[UUID | None]
    params: Sequence[dict[str, Any] | None]


async def unfinished(connection: Connection, space_id: UUID) -> int:
    """How many tasks of the space are not finished; until the transaction ends nobody else adds any."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('tasks:' || $1::uuid, 0))", space_id)
    count: int = await connection.fetchval(
        """
        SELECT coalesce(sum(total - done - failed - cancelled), 0)::int FROM jobs
        WHERE space_id = $1 AND status IN ('queued', 'running', 'paused')
        """,
        space_id,
    )
    return count


async def matching(
    connection: Connection, space_id: UUID, wanted: InputFilter, types: Sequence[str] | None, limit: int
) -> list[UUID]:
    """Ready uploads of the space that match the filter, the oldest first; `types` are those of its kind."""
    rows = await connection.fetch(
        """
        SELECT id FROM uploads WHERE space_id = $1 AND status = 'ready' AND ($2::text[] IS NULL OR content_type = ANY($2))
          AND ($3::text IS NULL OR content_type = $3) AND ($4::timestamptz IS NULL OR created_at >= $4)
          AND ($5::timestamptz IS NULL OR created_at < $5) AND ($6::text IS NULL OR position(lower($6) in lower(filename)) > 0)
        ORDER BY created_at, id LIMIT $7
        """,
        space_id,
        types,
        wanted.content_type,
        wanted.since,
        wanted.until,
        wanted.query,
        limit,
    )
    return [row["id"] for row in rows]


async def insert(connection: Connection, new: TaskRows) -> Record:
    """Write the tasks whose inputs are ready; the answer says how many (`created`) and names of the others some: `missing`, `unready`."""
    row: Record | None = await connection.fetchrow(
        """
        WITH wanted AS MATERIALIZED (
          SELECT w.*, u.id AS upload_id, u.status AS upload_status, coalesce(u.object_key, o.output_key) AS key,
            coalesce(u.filename, o.output_name) AS name, coalesce(u.content_type, o.output_type) AS type, coalesce(u.size, o.output_size) AS size
          FROM unnest($9::uuid[], $10::text[], $11::uuid[], $12::uuid[], $13::jsonb[]) WITH ORDINALITY AS w (id, path, upload, output, params, n)
            LEFT JOIN uploads u ON u.id = w.upload AND u.space_id = $2 AND (w.path NOT LIKE 'spaces/%' OR u.object_key = w.path)
            LEFT JOIN tasks o ON o.id = w.output AND o.space_id = $2 AND o.status = 'done' AND o.output_key = w.path
        ), added AS (
          INSERT INTO tasks (id, job_id, space_id, seq, queue_id, priority, turn, status, max_failures, input_path, input_key, input_name,
            input_type, input_size, upload_id, params)
          SELECT w.id, $1, $2, $6 + w.n - 1, $3, $4, $7 + w.n, $8, $5, w.path, w.key, w.name, w.type, w.size, w.upload_id, w.params
          FROM wanted w WHERE w.path IS NULL OR (w.key IS NOT NULL AND w.upload_status IS DISTINCT FROM 'pending') RETURNING 1
        )
        SELECT (SELECT count(*)::int FROM added) AS created,
          ARRAY(SELECT path FROM wanted WHERE path IS NOT NULL AND key IS NULL ORDER BY n LIMIT 20) AS missing,
          ARRAY(SELECT path FROM wanted WHERE upload_status = 'pending' ORDER BY n LIMIT 20) AS unready
        """,
        new.job_id,
        new.space_id,
        new.queue_id,
        new.priority,
        new.max_failures,
        new.first_seq,
        new.base_turn,
        new.status,
        new.ids,
        new.paths,
        new.uploads,
        new.outputs,
        new.params,
    )
    assert row is not None, "an aggregate always has a row"
    return row
