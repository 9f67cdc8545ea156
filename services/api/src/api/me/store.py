"""The SQL of one's own profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def profile(connection: Connection, user_id: UUID) -> Record | None:
    """The profile, and the spaces with one's role in them, the personal one first."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT p.user_id AS id, p.email, p.display_name, p.locale, p.is_admin, coalesce(s.spaces, '[]') AS spaces
        FROM profiles p LEFT JOIN LATERAL (
          SELECT jsonb_agg(jsonb_build_object('id', s.id, 'name', s.name, 'kind', s.kind, 'role', m.role, 'created_at', s.created_at)
                           ORDER BY s.kind, s.created_at, s.id) AS spaces
          FROM space_members m JOIN spaces s ON s.id = m.space_id WHERE m.user_id = p.user_id
        ) s ON true
        WHERE p.user_id = $1
        """,
        user_id,
    )
    return row


async def change_profile(connection: Connection, user_id: UUID, changes: dict[str, Any]) -> None:
    """Set name or language; a name given as None is removed."""
    await connection.execute(
        """
        UPDATE profiles SET display_name = CASE WHEN $2 THEN $3 ELSE display_name END, locale = coalesce($4, locale)
        WHERE user_id = $1
        """,
        user_id,
        "display_name" in changes,
        changes.get("display_name"),
        changes.get("locale"),
    )
