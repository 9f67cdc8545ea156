"""The SQL of spaces and members; row-level security lets only owners write."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    from shared.db import Connection, Record

_SPACE = "s.id, s.name, s.kind, m.role, s.created_at"
_FROM = "FROM spaces s JOIN space_members m ON m.space_id = s.id AND m.user_id = (SELECT auth.uid())"
_MEMBER = "m.user_id, p.email, p.display_name, m.role, m.created_at"


async def page(connection: Connection, after: tuple[str, datetime, UUID] | None, limit: int) -> list[Record]:
    """The caller's spaces with their role: the personal one, then the others in the order of their making."""
    kind, created_at, space_id = after or (None, None, None)
    return await connection.fetch(
        f"""
        SELECT {_SPACE} {_FROM} WHERE $1::text IS NULL OR (s.kind, s.created_at, s.id) > ($1, $2, $3)
        ORDER BY s.kind, s.created_at, s.id LIMIT $4
        """,
        kind,
        created_at,
        space_id,
        limit,
    )


async def read(connection: Connection, space_id: UUID) -> Record | None:
    """One space with the caller's role in it."""
    row: Record | None = await connection.fetchrow(f"SELECT {_SPACE} {_FROM} WHERE s.id = $1", space_id)
    return row


async def count(connection: Connection) -> int:
    """How many spaces the caller is in."""
    return int(await connection.fetchval("SELECT count(*) FROM space_members WHERE user_id = (SELECT auth.uid())"))


async def create(connection: Connection, space_id: UUID, name: str) -> None:
    """Make a shared space that the caller owns."""
    await connection.execute("SELECT maru.create_shared_space($1, $2)", space_id, name)


async def rename(connection: Connection, space_id: UUID, name: str) -> None:
    """Give the space another name."""
    await connection.execute("UPDATE spaces SET name = $2 WHERE id = $1", space_id, name)


async def delete(connection: Connection, space_id: UUID) -> None:
    """Delete a shared space with every row in it."""
    await connection.execute("DELETE FROM spaces WHERE id = $1 AND kind = 'shared'", space_id)


async def lock(connection: Connection, space_id: UUID) -> None:
    """Let nobody else change who owns the space until the transaction ends; only owners can."""
    await connection.fetchval("SELECT true FROM spaces WHERE id = $1 FOR UPDATE", space_id)


async def owner_count(connection: Connection, space_id: UUID) -> int:
    """How many owners it has."""
    return int(
        await connection.fetchval("SELECT count(*) FROM space_members WHERE space_id = $1 AND role = 'owner'", space_id)
    )


async def members(
    connection: Connection, space_id: UUID, after: tuple[datetime, UUID] | None, limit: int
) -> list[Record]:
    """Members in the order in which they came."""
    created_at, user_id = after or (None, None)
    return await connection.fetch(
        f"""
        SELECT {_MEMBER} FROM space_members m JOIN profiles p ON p.user_id = m.user_id
        WHERE m.space_id = $1 AND ($2::timestamptz IS NULL OR (m.created_at, m.user_id) > ($2, $3))
        ORDER BY m.created_at, m.user_id LIMIT $4
        """,  # noqa: S608 - a constant of this module
        space_id,
        created_at,
        user_id,
        limit,
    )


async def member(connection: Connection, space_id: UUID, user_id: UUID) -> Record | None:
    """One member."""
    row: Record | None = await connection.fetchrow(
        f"SELECT {_MEMBER} FROM space_members m JOIN profiles p ON p.user_id = m.user_id WHERE m.space_id = $1 AND m.user_id = $2",  # noqa: S608
        space_id,
        user_id,
    )
    return row


async def user_id_by_email(connection: Connection, email: str) -> UUID | None:
    """Whose account has this address."""
    found: UUID | None = await connection.fetchval("SELECT maru.user_id_by_email($1)", email)
    return found


async def add_member(connection: Connection, space_id: UUID, user_id: UUID, role: str) -> bool:
    """Let somebody in; False when they are in already."""
    added = await connection.fetchval(
        "INSERT INTO space_members (space_id, user_id, role) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true",
        space_id,
        user_id,
        role,
    )
    return bool(added)


async def change_role(connection: Connection, space_id: UUID, user_id: UUID, role: str) -> None:
    """Give a member another role."""
    await connection.execute(
        "UPDATE space_members SET role = $3 WHERE space_id = $1 AND user_id = $2", space_id, user_id, role
    )


async def remove_member(connection: Connection, space_id: UUID, user_id: UUID) -> None:
    """Show somebody out."""
    await connection.execute("DELETE FROM space_members WHERE space_id = $1 AND user_id = $2", space_id, user_id)
