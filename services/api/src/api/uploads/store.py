"""The SQL of uploads; row-level security shows those of one's spaces, and lets owners and editors write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

    from api.uploads.schemas import UploadFilter

_UPLOAD = """u.id, u.space_id, u.owner_id, u.filename, u.content_type, u.size, u.sha256, u.status, u.object_key, u.thumbnail_key,
  u.display_key, u.meta, u.created_at, u.completed_at, u.parts_id, u.part_size, u.arrived_etag"""

_MATCHES = """u.status = $1 AND ($2::text[] IS NULL OR u.content_type = ANY($2)) AND ($3::text IS NULL OR u.content_type = $3)
  AND ($4::uuid IS NULL OR u.space_id = $4) AND ($5::timestamptz IS NULL OR u.created_at >= $5)
  AND ($6::timestamptz IS NULL OR u.created_at < $6) AND ($7::text IS NULL OR position(lower($7) in lower(u.filename)) > 0)"""


@dataclass(frozen=True, slots=True)
class UploadRow:
    """A new upload."""

    id: UUID
    space_id: UUID
    owner_id: UUID
    filename: str
    content_type: str
    size: int
    sha256: str | None
    object_key: str
    keep_location: bool
    lifetime_s: int


async def place(connection: Connection, space_id: UUID | None) -> Record | None:
    """The space (the caller's own for None) as `id, role`; None when the caller is not in it."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT s.id, m.role FROM spaces s JOIN space_members m ON m.space_id = s.id AND m.user_id = (SELECT auth.uid())
        WHERE CASE WHEN $1::uuid IS NULL THEN s.kind = 'personal' AND s.owner_id = (SELECT auth.uid()) ELSE s.id = $1 END
        """,
        space_id,
    )
    return row


async def room_taken(connection: Connection, space_id: UUID) -> Record:
    """How many bytes the files of a space take and how many are pending; until the transaction ends nobody else adds one."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('uploads:' || $1::uuid, 0))", space_id)
    row: Record | None = await connection.fetchrow(
        "SELECT coalesce(sum(size), 0)::bigint AS bytes, count(*) FILTER (WHERE status = 'pending') AS pending FROM uploads WHERE space_id = $1",
        space_id,
    )
    assert row is not None, "an aggregate always has a row"
    return row


async def add(connection: Connection, new: UploadRow) -> None:
    """Write a pending upload; one of this id that is there already stays."""
    await connection.execute(
        """
        INSERT INTO uploads (id, space_id, owner_id, filename, content_type, size, sha256, object_key, keep_location, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + make_interval(secs => $10))
        ON CONFLICT (id) DO NOTHING
        """,
        new.id,
        new.space_id,
        new.owner_id,
        new.filename,
        new.content_type,
        new.size,
        new.sha256,
        new.object_key,
        new.keep_location,
        new.lifetime_s,
    )


async def read(connection: Connection, upload_id: UUID) -> Record | None:
    """One upload, with the caller's `role` in its space."""
    row: Record | None = await connection.fetchrow(
        f"""
        SELECT {_UPLOAD}, m.role FROM uploads u JOIN space_members m ON m.space_id = u.space_id AND m.user_id = (SELECT auth.uid())
        WHERE u.id = $1
        """,  # noqa: S608 - a constant of this module
        upload_id,
    )
    return row


async def page(
    connection: Connection,
    wanted: UploadFilter,
    types: Sequence[str] | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Record]:
    """Files of the caller's spaces, the newest first; `types` are those of the wanted kind."""
    moment, last = before or (None, None)
    rows: list[Record] = await connection.fetch(
        f"""
        SELECT {_UPLOAD} FROM uploads u WHERE {_MATCHES} AND ($8::timestamptz IS NULL OR (u.created_at, u.id) < ($8, $9::uuid))
        ORDER BY u.created_at DESC, u.id DESC LIMIT $10
        """,  # noqa: S608 - constants of this module
        *_conditions(wanted, types),
        moment,
        last,
        limit,
    )
    return rows


async def count(connection: Connection, wanted: UploadFilter, types: Sequence[str] | None) -> int:
    """How many files there are on all pages."""
    total: int = await connection.fetchval(
        f"SELECT count(*) FROM uploads u WHERE {_MATCHES}",  # noqa: S608 - a constant of this module
        *_conditions(wanted, types),
    )
    return total


def _conditions(wanted: UploadFilter, types: Sequence[str] | None) -> tuple[Any, ...]:
    content_type = wanted.content_type
    return (wanted.status, types, content_type, wanted.space_id, wanted.since, wanted.until, wanted.query)


async def keep_parts(connection: Connection, upload_id: UUID, parts_id: str, part_size: int) -> str | None:
    """Remember where its parts go, unless that is known already; the id that counts, or None when it is no longer pending."""
    kept: str | None = await connection.fetchval(
        """
        UPDATE uploads SET parts_id = coalesce(parts_id, $2), part_size = coalesce(part_size, $3)
        WHERE id = $1 AND status = 'pending' RETURNING parts_id
        """,
        upload_id,
        parts_id,
        part_size,
    )
    return kept


async def pin(connection: Connection, upload_id: UUID, etag: str) -> str | None:
    """Say which version is being checked, unless one is already; the one that counts, or None when it is no longer pending."""
    pinned: str | None = await connection.fetchval(
        "UPDATE uploads SET arrived_etag = coalesce(arrived_etag, $2) WHERE id = $1 AND status = 'pending' RETURNING arrived_etag",
        upload_id,
        etag,
    )
    return pinned


async def complete(connection: Connection, upload_id: UUID, sha256: str) -> Record | None:
    """Mark as ready; None when it is gone, or ready already."""
    row: Record | None = await connection.fetchrow(
        f"""
        UPDATE uploads u SET status = 'ready', sha256 = $2, completed_at = now() WHERE id = $1 AND status = 'pending' RETURNING {_UPLOAD}
        """,  # noqa: S608 - a constant of this module
        upload_id,
        sha256,
    )
    return row


async def remove_pending(connection: Connection, upload_id: UUID) -> bool:
    """Remove one that was not completed; False when there is none, or it is ready."""
    return await connection.execute("DELETE FROM uploads WHERE id = $1 AND status = 'pending'", upload_id) != "DELETE 0"


async def remove_unattached(connection: Connection, upload_id: UUID) -> bool:
    """Remove one that belongs to no entry; False when it does, or is gone."""
    await connection.execute("SELECT id FROM uploads WHERE id = $1 FOR UPDATE", upload_id)
    removed = await connection.execute(
        "DELETE FROM uploads u WHERE id = $1 AND NOT EXISTS (SELECT FROM entry_files f WHERE f.upload_id = u.id)",
        upload_id,
    )
    return removed != "DELETE 0"


async def awaited(connection: Connection, upload_id: UUID) -> bool:
    """Whether a task that has not ended reads this file; looked for in the jobs of its space that have not ended."""
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (
          SELECT FROM uploads u JOIN jobs j ON j.space_id = u.space_id AND j.status NOT IN ('done', 'failed', 'cancelled')
          JOIN tasks t ON t.job_id = j.id AND t.upload_id = u.id AND t.status NOT IN ('done', 'failed', 'cancelled')
          WHERE u.id = $1)
        """,
        upload_id,
    )
    return found


async def expired(connection: Connection, limit: int) -> list[Record]:
    """Uploads of any space that nobody completed in time, as `id, space_id, object_key`."""
    return await connection.fetch("SELECT id, space_id, object_key FROM expired_uploads($1)", limit)


async def remove_expired(connection: Connection, upload_id: UUID) -> Record | None:
    """Remove one if it is still pending and still late, and answer it; the row stays locked until the transaction ends."""
    row: Record | None = await connection.fetchrow(
        """
        DELETE FROM uploads WHERE id = $1 AND status = 'pending' AND expires_at < now() RETURNING object_key, parts_id
        """,
        upload_id,
    )
    return row
