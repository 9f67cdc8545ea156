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


async def lock_owned_spaces(connection: Connection) -> None:
    """Let nobody change who belongs to the caller's spaces until the transaction ends."""
    await connection.fetch("SELECT FROM spaces WHERE id = ANY (my_owned_spaces()) ORDER BY id FOR UPDATE")


async def spaces_without_another_owner(connection: Connection) -> list[Record]:
    """`id, name` of the spaces in which others would be left without an owner if the caller went."""
    return await connection.fetch(
        """
        SELECT s.id, s.name FROM spaces s WHERE s.id = ANY (my_owned_spaces())
          AND EXISTS (SELECT FROM space_members m WHERE m.space_id = s.id AND m.user_id <> (SELECT auth.uid()))
          AND NOT EXISTS (SELECT FROM space_members m WHERE m.space_id = s.id AND m.user_id <> (SELECT auth.uid()) AND m.role = 'owner')
        ORDER BY s.created_at, s.id
        """
    )


async def erase(connection: Connection) -> list[UUID]:
    """Erase the caller from every table; the spaces that went along. A second call finds nothing."""
    gone: list[UUID] = await connection.fetchval("SELECT erase_account()")
    return gone


async def is_erased(connection: Connection, user_id: UUID) -> bool:
    """Whether this person has erased their account, and it is not forgotten yet."""
    return bool(await connection.fetchval("SELECT true FROM erased_accounts WHERE user_id = $1", user_id))


async def scrub(connection: Connection, user_id: UUID) -> None:
    """Take the name of somebody who is erased off whatever was written since."""
    await connection.execute("SELECT scrub_account($1)", user_id)


async def forget_erasure(connection: Connection, user_id: UUID) -> None:
    """Forget that there was such a person."""
    await connection.execute("SELECT forget_erasure($1)", user_id)
