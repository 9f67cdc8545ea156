"""The SQL that reads entries. Postgres builds the JSON that leaves, so one round trip serves a read and nothing is parsed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api.entries.schemas import EntryFilter

if TYPE_CHECKING:
    from shared.db import Connection

LIST_BODY = 4_000

_INSIGHTS = """(SELECT json_build_object('summary', i.summary, 'topics', i.topics, 'emotions', i.emotions, 'people', i.people,
  'dates', i.dates, 'provider', i.provider, 'model', i.model, 'corrected', i.corrected) FROM insights i WHERE i.entry_id = e.id)"""
_ATTACHMENTS = """(SELECT coalesce(json_agg(json_build_object('upload_id', u.id, 'filename', u.filename, 'content_type', u.content_type,
  'size', u.size, 'meta', u.meta, 'content_url', '/api/v1/uploads/' || u.id || '/content',
  'thumbnail_url', CASE WHEN u.thumbnail_key IS NOT NULL THEN '/api/v1/uploads/' || u.id || '/thumbnail' END,
  'extracted_by', u.extracted_by, 'error', u.extraction_error) ORDER BY f.position), '[]')
  FROM entry_files f JOIN uploads u ON u.id = f.upload_id WHERE f.entry_id = e.id)"""
_STEPS = """(SELECT coalesce(json_agg(json_build_object('step', s.step, 'state', s.state)
  ORDER BY array_position('{parse,chunk,embed,index,insights}', s.step)), '[]')
  FROM entry_steps s WHERE s.entry_id = e.id AND s.version = e.version)"""


def _entry(body: str, truncated: str) -> str:
    return f"""json_build_object('id', e.id, 'space_id', e.space_id, 'author_id', e.author_id, 'person_id', e.person_id,
  'kind', e.kind, 'version', e.version, 'title', e.title, 'note', v.note, 'body', {body}, 'truncated', {truncated},
  'occurred_at', e.occurred_at, 'status', e.status, 'error', e.error, 'insights', {_INSIGHTS},
  'attachments', CASE WHEN e.kind = 'note' AND NOT EXISTS (SELECT FROM entry_files f WHERE f.entry_id = e.id) THEN '[]' ELSE {_ATTACHMENTS} END,
  'steps', {_STEPS}, 'stream_id', v.stream_id, 'created_at', e.created_at, 'updated_at', e.updated_at)"""


_FROM = "FROM entries e JOIN entry_versions v ON v.entry_id = e.id AND v.version = e.version"
_ONE = f"SELECT {_entry('v.body', 'false')}::text {_FROM} WHERE e.id = $1"
_PAGE = f"""
SELECT e.id, e.occurred_at, {_entry(f"left(v.body, {LIST_BODY})", f"length(v.body) > {LIST_BODY}")}::text AS entry
{_FROM}
WHERE ($1::text IS NULL OR e.kind = $1) AND ($2::text IS NULL OR e.status = $2)
  AND ($3::uuid IS NULL OR e.person_id = $3) AND ($4::uuid IS NULL OR e.space_id = $4)
  AND ($5::timestamptz IS NULL OR e.occurred_at >= $5) AND ($6::timestamptz IS NULL OR e.occurred_at < $6)
  AND ($7::text IS NULL OR EXISTS (SELECT FROM insights i WHERE i.entry_id = e.id AND i.topics @> ARRAY[$7]))
  AND ($8::text IS NULL OR EXISTS (SELECT FROM insights i WHERE i.entry_id = e.id
       AND i.emotions @> jsonb_build_array(jsonb_build_object('label', $8))))
  AND ($9::timestamptz IS NULL OR (e.occurred_at, e.id) < ($9, $10::uuid))
ORDER BY e.occurred_at DESC, e.id DESC LIMIT $11
"""  # noqa: S608 - constants of this module


async def entry(connection: Connection, entry_id: UUID) -> str | None:
    """An entry as JSON text, or None where this person sees none."""
    found: str | None = await connection.fetchval(_ONE, entry_id)
    return found


async def page(
    connection: Connection, wanted: EntryFilter, after: tuple[object, UUID] | None, limit: int
) -> list[tuple[str, str, str]]:
    """Entries as (occurred_at, id, JSON text), the latest first."""
    before, last = after or (None, None)
    rows = await connection.fetch(
        _PAGE,
        wanted.kind,
        wanted.status,
        wanted.person_id,
        wanted.space_id,
        wanted.since,
        wanted.until,
        wanted.topic,
        wanted.emotion,
        before,
        last,
        limit,
    )
    return [(row["occurred_at"].isoformat(), str(row["id"]), row["entry"]) for row in rows]


async def visible(connection: Connection, entry_id: UUID) -> bool:
    """Whether this person sees the entry at all."""
    return bool(await connection.fetchval("SELECT true FROM entries WHERE id = $1", entry_id))


async def current_stream(connection: Connection, entry_id: UUID) -> UUID | None:
    """The stream of the newest version's processing."""
    found: UUID | None = await connection.fetchval(f"SELECT v.stream_id {_FROM} WHERE e.id = $1", entry_id)
    return found


async def versions(connection: Connection, entry_id: UUID) -> str | None:
    """All versions as JSON text, the newest first."""
    found: str | None = await connection.fetchval(
        """
        SELECT json_build_object('versions', json_agg(json_build_object('entry_id', v.entry_id, 'version', v.version,
          'created_by', v.created_by, 'created_at', v.created_at, 'current', v.version = e.version) ORDER BY v.version DESC))::text
        FROM entries e JOIN entry_versions v ON v.entry_id = e.id WHERE e.id = $1 GROUP BY e.id
        """,
        entry_id,
    )
    return found


async def version(connection: Connection, entry_id: UUID, number: int) -> str | None:
    """One version with its text, as JSON text."""
    found: str | None = await connection.fetchval(
        """
        SELECT json_build_object('entry_id', v.entry_id, 'version', v.version, 'created_by', v.created_by, 'created_at', v.created_at,
          'current', v.version = e.version, 'title', e.title, 'note', v.note, 'body', v.body)::text
        FROM entry_versions v JOIN entries e ON e.id = v.entry_id WHERE v.entry_id = $1 AND v.version = $2
        """,
        entry_id,
        number,
    )
    return found
