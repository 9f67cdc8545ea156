"""The SQL that reads entries. Postgres builds the JSON that leaves, so one round trip serves a read and nothing is parsed on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api.entries.schemas import EntryFilter

if TYPE_CHECKING:
    from shared.db import Connection, Database

LIST_BODY = 4_000

_FROM = "FROM entries e JOIN entry_versions v ON v.entry_id = e.id AND v.version = e.version"
_PAGE = f"""
SELECT p.id, p.occurred_at, entry_document(p.id, {LIST_BODY}) AS entry FROM (
  SELECT e.id, e.occurred_at FROM entries e
  WHERE ($1::text IS NULL OR e.kind = $1) AND ($2::text IS NULL OR e.status = $2)
    AND ($3::uuid IS NULL OR e.person_id = $3) AND ($4::uuid IS NULL OR e.space_id = $4)
    AND ($5::timestamptz IS NULL OR e.occurred_at >= $5) AND ($6::timestamptz IS NULL OR e.occurred_at < $6)
    AND ($7::text IS NULL OR EXISTS (SELECT FROM insights i WHERE i.entry_id = e.id AND i.topics @> ARRAY[$7]))
    AND ($8::text IS NULL OR EXISTS (SELECT FROM insights i WHERE i.entry_id = e.id
         AND i.emotions @> jsonb_build_array(jsonb_build_object('label', $8))))
    AND ($9::timestamptz IS NULL OR (e.occurred_at, e.id) < ($9, $10::uuid))
  ORDER BY e.occurred_at DESC, e.id DESC LIMIT $11) p ORDER BY p.occurred_at DESC, p.id DESC
"""  # noqa: S608 - a constant of this module


async def hot_entry(database: Database, user_id: UUID, entry_id: UUID) -> str | None:
    """An entry as JSON text as this person sees it, in one round trip: the function takes on the person's role by itself."""
    found: str | None = await database.call("read_entry", user_id, entry_id)
    return found


async def entry(connection: Connection, entry_id: UUID) -> str | None:
    """An entry as JSON text, or None where this person sees none."""
    found: str | None = await connection.fetchval("SELECT entry_document($1, NULL)", entry_id)
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
