"""The SQL of the pipeline. Every write names the claim it is made under and does nothing when a later one exists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.text.sparse import LengthStats

from ingest.pipeline.work import Advance, AttachedFile, ChunkRow, Claim, ClaimLost, Ending, IndexTask, Present, Work

if TYPE_CHECKING:
    from shared.db import Connection

_CLAIM = """
WITH claimed AS (
  UPDATE entries SET epoch = epoch + 1, failures = failures + 1, worked_at = now()
  WHERE id = $1 AND version = $2 AND status = 'processing' RETURNING *)
SELECT c.*, v.note, v.body, v.stream_id, t.chunk_count, t.term_count, i.topics, i.emotions,
  (SELECT jsonb_object_agg(s.step, s.state) FROM entry_steps s WHERE s.entry_id = c.id AND s.version = c.version) AS steps,
  (SELECT array_agg(p.name ORDER BY p.name) FROM people p WHERE p.space_id = c.space_id) AS known_people,
  (SELECT jsonb_agg(jsonb_build_object('upload_id', u.id, 'filename', u.filename, 'content_type', u.content_type, 'size', u.size,
     'object_key', u.object_key, 'keep_location', u.keep_location, 'examined_by', u.examined_by, 'text', u.extracted_text) ORDER BY f.position)
   FROM entry_files f JOIN uploads u ON u.id = f.upload_id WHERE f.entry_id = c.id) AS files
FROM claimed c JOIN entry_versions v ON v.entry_id = c.id AND v.version = c.version
LEFT JOIN text_statistics t ON t.space_id = c.space_id LEFT JOIN insights i ON i.entry_id = c.id
"""

# One statement: the fence, the steps, their events and the end, if this is it.
_ADVANCE = """
WITH alive AS (
  UPDATE entries SET worked_at = now(), failures = CASE WHEN $12::boolean THEN 0 ELSE failures END,
    indexed_version = CASE WHEN $8::boolean THEN version ELSE indexed_version END,
    status = coalesce($9::text, status), error = $10::jsonb,
    retry_at = CASE WHEN $11::double precision IS NOT NULL THEN now() + make_interval(secs => $11) END
  WHERE id = $1 AND version = $2 AND epoch = $3 AND status = 'processing'
  RETURNING space_id, title, occurred_at, person_id),
steps AS (
  INSERT INTO entry_steps AS s (entry_id, version, space_id, step, state, finished_at)
  SELECT DISTINCT ON (step) $1, $2, a.space_id, step, state, CASE WHEN state <> 'running' THEN now() END
  FROM alive a, unnest($5::text[], $6::text[]) WITH ORDINALITY AS n (step, state, place) ORDER BY step, place DESC
  ON CONFLICT (entry_id, version, step) DO UPDATE SET state = excluded.state, finished_at = excluded.finished_at,
    attempts = s.attempts + (excluded.state = 'running')::int),
numbered AS (
  UPDATE streams SET last_seq = last_seq + cardinality($7::jsonb[]),
    status = CASE $9::text WHEN 'ready' THEN 'done' WHEN 'failed' THEN 'failed' ELSE streams.status END,
    ended_at = CASE WHEN $9::text IS NOT NULL THEN now() END
  FROM alive WHERE streams.id = $4 AND streams.status = 'running' RETURNING streams.id, last_seq - cardinality($7::jsonb[]) AS base),
events AS (
  INSERT INTO stream_events (stream_id, seq, type, data)
  SELECT n.id, n.base + e.place, e.event ->> 'type', e.event -> 'data' FROM numbered n, unnest($7::jsonb[]) WITH ORDINALITY AS e (event, place))
SELECT title, occurred_at, person_id FROM alive
"""


async def claim(connection: Connection, task: IndexTask) -> Work | None:
    """Take the work on, from whoever had it before; None when there is none: done, edited, failed or deleted."""
    row = await connection.fetchrow(_CLAIM, task.entry_id, task.version)
    return None if row is None else _work(row)


async def exists(connection: Connection, entry_id: UUID) -> bool:
    """Whether the entry is still there, in whatever state."""
    return bool(await connection.fetchval("SELECT true FROM entries WHERE id = $1", entry_id))


async def advance(connection: Connection, claim: Claim, step: Advance) -> Present:
    """Write how far the work is and hold the entry's row to the end of the transaction; raises `ClaimLost`."""
    row = await connection.fetchrow(
        _ADVANCE,
        claim.entry_id,
        claim.version,
        claim.epoch,
        claim.stream_id,
        [name for name, _ in step.steps],
        [state for _, state in step.steps],
        _events(step),
        step.indexed,
        step.ending and step.ending.outcome,
        step.ending and step.ending.error,
        step.ending and step.ending.retry_in_s,
        step.progressed,
    )
    if row is None:
        raise ClaimLost
    return Present(row["title"], row["occurred_at"], row["person_id"])


async def show_life(connection: Connection, claim: Claim) -> None:
    """Say that slow work is still going on; raises `ClaimLost`."""
    alive = await connection.fetchval(
        "UPDATE entries SET worked_at = now() WHERE id = $1 AND version = $2 AND epoch = $3 AND status = 'processing' RETURNING true",
        claim.entry_id,
        claim.version,
        claim.epoch,
    )
    if not alive:
        raise ClaimLost


async def save_body(connection: Connection, claim: Claim, body: str, title: str | None, occurred_at: Any) -> None:
    """Complete the version's text; a title or a date found in a file fills what nobody has given."""
    await connection.execute(
        "UPDATE entry_versions SET body = $3 WHERE entry_id = $1 AND version = $2 AND body <> $3",
        claim.entry_id,
        claim.version,
        body,
    )
    if title is not None or occurred_at is not None:
        await connection.execute(
            """
            UPDATE entries SET title = coalesce(title, $2),
              occurred_at = CASE WHEN occurred_at_assumed THEN coalesce($3, occurred_at) ELSE occurred_at END,
              occurred_at_assumed = occurred_at_assumed AND $3 IS NULL WHERE id = $1
            """,
            claim.entry_id,
            title,
            occurred_at,
        )


async def save_chunks(connection: Connection, claim: Claim, chunks: Sequence[ChunkRow]) -> None:
    """Store the version's chunks; those of an earlier attempt are the same and stay."""
    if chunks:
        await connection.execute(
            """
            INSERT INTO chunks (id, space_id, entry_id, version, ordinal, start_offset, end_offset, sha256, length, embedding_key)
            SELECT id, $1, $2, $3, ordinal, start, stop, sha256, length, key
            FROM unnest($4::uuid[], $5::int[], $6::int[], $7::int[], $8::bytea[], $9::float[], $10::bytea[])
              AS c (id, ordinal, start, stop, sha256, length, key)
            ON CONFLICT DO NOTHING
            """,
            claim.space_id,
            claim.entry_id,
            claim.version,
            [chunk.id for chunk in chunks],
            [chunk.ordinal for chunk in chunks],
            [chunk.start for chunk in chunks],
            [chunk.end for chunk in chunks],
            [chunk.sha256 for chunk in chunks],
            [chunk.length for chunk in chunks],
            [chunk.embedding_key for chunk in chunks],
        )


async def drop_other_chunks(connection: Connection, claim: Claim) -> None:
    """Forget the chunks of other versions, once this one is what search finds."""
    await connection.execute("DELETE FROM chunks WHERE entry_id = $1 AND version <> $2", claim.entry_id, claim.version)


def _events(step: Advance) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [
        {"type": "step", "data": {"step": name, "state": state}} for name, state in step.steps
    ]
    match step.ending:
        case Ending("ready"):
            events.append({"type": "done", "data": {"status": "ready"}})
        case Ending("failed", error):
            events.append({"type": "failed", "data": {"status": "failed", **(error or {})}})
        case None:
            pass
    return events


def _work(row: Any) -> Work:
    files = [AttachedFile(**{**file, "upload_id": UUID(file["upload_id"])}) for file in row["files"] or ()]
    return Work(
        claim=Claim(row["id"], row["version"], row["space_id"], row["epoch"], row["stream_id"]),
        author_id=row["author_id"],
        person_id=row["person_id"],
        kind=row["kind"],
        title=row["title"],
        occurred_at=row["occurred_at"],
        occurred_at_assumed=row["occurred_at_assumed"],
        indexed_version=row["indexed_version"],
        attempt=row["failures"],
        note=row["note"],
        body=row["body"],
        steps=row["steps"] or {},
        files=tuple(files),
        known_people=tuple(row["known_people"] or ()),
        mean_length=LengthStats(row["chunk_count"] or 0, row["term_count"] or 0.0).mean,
        topics=list(row["topics"] or ()),
        emotions=[emotion["label"] for emotion in row["emotions"] or ()],
    )
