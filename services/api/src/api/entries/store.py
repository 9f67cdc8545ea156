"""The SQL that writes entries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A new entry's first rows."""

    id: UUID
    stream_id: UUID
    space_id: UUID
    author_id: UUID
    person_id: UUID | None
    kind: str
    title: str | None
    occurred_at: datetime | None
    note: str
    uploads: Sequence[UUID]


async def place(connection: Connection, space_id: UUID | None) -> Record | None:
    """The space to write to (the personal one when None) as `id, role`; None when this person does not belong to it."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT s.id, m.role FROM spaces s JOIN space_members m ON m.space_id = s.id AND m.user_id = (SELECT auth.uid())
        WHERE CASE WHEN $1::uuid IS NULL THEN s.kind = 'personal' AND s.owner_id = (SELECT auth.uid()) ELSE s.id = $1 END
        """,
        space_id,
    )
    return row


async def person_in_space(connection: Connection, person_id: UUID, space_id: UUID) -> bool:
    """Whether the person is one of this space."""
    return bool(
        await connection.fetchval("SELECT true FROM people WHERE id = $1 AND space_id = $2", person_id, space_id)
    )


async def lock_uploads(connection: Connection, uploads: Sequence[UUID], space_id: UUID) -> list[Record]:
    """Those of the uploads that lie in the space, as `id, status, content_type`, locked until the transaction ends."""
    rows: list[Record] = await connection.fetch(
        "SELECT id, status, content_type FROM uploads WHERE id = ANY($1) AND space_id = $2 ORDER BY id FOR UPDATE",
        list(uploads),
        space_id,
    )
    return rows


async def any_attached(connection: Connection, uploads: Sequence[UUID]) -> bool:
    """Whether one of them belongs to an entry already."""
    return bool(
        await connection.fetchval("SELECT true FROM entry_files WHERE upload_id = ANY($1) LIMIT 1", list(uploads))
    )


async def insert(connection: Connection, row: EntryRow) -> None:
    """Write an entry with its first version, its stream and its files."""
    await connection.execute(
        """
        WITH entry AS (INSERT INTO entries (id, space_id, author_id, person_id, kind, title, occurred_at, occurred_at_assumed)
               VALUES ($1, $3, $4, $5, $6, $7, coalesce($8, now()), $8 IS NULL)),
             stream AS (INSERT INTO streams (id, space_id, kind, subject_id) VALUES ($2, $3, 'entry', $1)),
             files AS (INSERT INTO entry_files (entry_id, upload_id, space_id, position)
               SELECT $1, upload, $3, place FROM unnest($10::uuid[]) WITH ORDINALITY AS f (upload, place))
        INSERT INTO entry_versions (entry_id, version, space_id, note, body, stream_id, created_by) VALUES ($1, 1, $3, $9, $9, $2, $4)
        """,
        row.id,
        row.stream_id,
        row.space_id,
        row.author_id,
        row.person_id,
        row.kind,
        row.title,
        row.occurred_at,
        row.note,
        list(row.uploads),
    )


async def lock(connection: Connection, entry_id: UUID) -> Record | None:
    """The entry with its newest version's `note` and `stream_id`, locked; None when this person may not write it."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT e.id, e.space_id, e.author_id, e.person_id, e.kind, e.version, e.title, e.occurred_at, e.status, v.note, v.stream_id
        FROM entries e JOIN entry_versions v ON v.entry_id = e.id AND v.version = e.version WHERE e.id = $1 FOR UPDATE OF e
        """,
        entry_id,
    )
    return row


async def change(
    connection: Connection, entry_id: UUID, title: str | None, occurred_at: datetime, person_id: UUID | None
) -> None:
    """Set what does not make a new version."""
    await connection.execute(
        """
        UPDATE entries SET title = $2, occurred_at = $3, person_id = $4, updated_at = now(),
          occurred_at_assumed = occurred_at_assumed AND occurred_at = $3 WHERE id = $1
        """,
        entry_id,
        title,
        occurred_at,
        person_id,
    )


async def add_version(connection: Connection, entry_id: UUID, note: str, stream_id: UUID, author_id: UUID) -> int:
    """Begin the next version; the steps of the ones before are forgotten."""
    version: int = await connection.fetchval(
        """
        WITH next AS (UPDATE entries SET version = version + 1, status = 'processing', error = NULL, failures = 0, retry_at = NULL,
               worked_at = now(), updated_at = now() WHERE id = $1 RETURNING id, version, space_id),
             stream AS (INSERT INTO streams (id, space_id, kind, subject_id) SELECT $3, space_id, 'entry', id FROM next),
             steps AS (DELETE FROM entry_steps WHERE entry_id = $1)
        INSERT INTO entry_versions (entry_id, version, space_id, note, body, stream_id, created_by)
        SELECT id, version, space_id, $2, $2, $3, $4 FROM next RETURNING version
        """,
        entry_id,
        note,
        stream_id,
        author_id,
    )
    return version


async def delete(connection: Connection, entry_id: UUID) -> list[str]:
    """Remove an entry with everything that hangs on it; the answer is the object keys of its files."""
    keys: list[str] = await connection.fetchval(
        """
        SELECT coalesce(array_agg(u.object_key), '{}') FROM entry_files f JOIN uploads u ON u.id = f.upload_id WHERE f.entry_id = $1
        """,
        entry_id,
    )
    # Uploads go last: a file's row must not be gone while an entry still names it.
    await connection.execute("DELETE FROM entries WHERE id = $1", entry_id)
    await connection.execute("DELETE FROM streams WHERE subject_id = $1 AND kind = 'entry'", entry_id)
    if keys:
        await connection.execute("DELETE FROM uploads WHERE object_key = ANY($1)", keys)
    return keys


async def restart(connection: Connection, entry_id: UUID, stream_id: UUID) -> Record | None:
    """Take up a failed entry where it stopped; None when it has not failed or this person may not write it."""
    row: Record | None = await connection.fetchrow(
        "SELECT id, space_id, version, author_id FROM restart_entry($1, $2)", entry_id, stream_id
    )
    return row


async def correct_insights(connection: Connection, entry_id: UUID, user_id: UUID, fields: dict[str, Any]) -> bool:
    """Put fields right; False when there are no insights yet."""
    exists = await connection.fetchval(
        """
        WITH target AS (SELECT entry_id, space_id FROM insights WHERE entry_id = $1),
             corrections AS (INSERT INTO insight_corrections (entry_id, space_id, field, value, corrected_by)
               SELECT t.entry_id, t.space_id, f.field, f.value, $3 FROM target t, jsonb_each($2) AS f (field, value)
               ON CONFLICT (entry_id, field) DO UPDATE SET value = excluded.value, corrected_by = excluded.corrected_by, corrected_at = now())
        SELECT true FROM target
        """,
        entry_id,
        fields,
        user_id,
    )
    if exists:
        await _merge(connection, entry_id)
    return bool(exists)


async def undo_correction(connection: Connection, entry_id: UUID, field: str) -> bool:
    """Show what was computed again; False when the field was not corrected."""
    undone = await connection.execute(
        "DELETE FROM insight_corrections WHERE entry_id = $1 AND field = $2", entry_id, field
    )
    await _merge(connection, entry_id)
    return bool(undone != "DELETE 0")


async def _merge(connection: Connection, entry_id: UUID) -> None:
    await connection.execute("SELECT merge_insights($1)", entry_id)
    await connection.execute("UPDATE entries SET updated_at = now() WHERE id = $1", entry_id)
