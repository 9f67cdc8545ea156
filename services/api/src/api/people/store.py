"""The SQL of people; row-level security shows those of one's spaces, and lets owners and editors write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

    from api.people.schemas import NewPerson

_PERSON = "id, space_id, name, birth_date, relation, created_at, updated_at"


async def place(connection: Connection, space_id: UUID | None) -> Record | None:
    """The space (the caller's personal one for None) and the caller's role in it."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT s.id, m.role FROM spaces s JOIN space_members m ON m.space_id = s.id AND m.user_id = (SELECT auth.uid())
        WHERE s.id = $1 OR ($1 IS NULL AND s.kind = 'personal')
        """,
        space_id,
    )
    return row


async def add(connection: Connection, person_id: UUID, space_id: UUID, new: NewPerson) -> Record:
    """Insert a person."""
    row: Record | None = await connection.fetchrow(
        f"INSERT INTO people (id, space_id, name, birth_date, relation) VALUES ($1, $2, $3, $4, $5) RETURNING {_PERSON}",  # noqa: S608
        person_id,
        space_id,
        new.name,
        new.birth_date,
        new.relation,
    )
    assert row is not None, "an INSERT that does not fail returns its row"
    return row


async def read(connection: Connection, person_id: UUID) -> Record | None:
    """One person, with the caller's `role` in their space."""
    row: Record | None = await connection.fetchrow(
        """
        SELECT p.id, p.space_id, p.name, p.birth_date, p.relation, p.created_at, p.updated_at, m.role
        FROM people p JOIN space_members m ON m.space_id = p.space_id AND m.user_id = (SELECT auth.uid()) WHERE p.id = $1
        """,
        person_id,
    )
    return row


async def page(
    connection: Connection, space_id: UUID | None, after: tuple[str, UUID] | None, limit: int
) -> list[Record]:
    """People of one space or of all, by name."""
    name, person_id = after or (None, None)
    return await connection.fetch(
        f"""
        SELECT {_PERSON} FROM people
        WHERE ($1::uuid IS NULL OR space_id = $1) AND ($2::text IS NULL OR (name, id) > ($2, $3))
        ORDER BY name, id LIMIT $4
        """,  # noqa: S608 - a constant of this module
        space_id,
        name,
        person_id,
        limit,
    )


async def change(connection: Connection, person_id: UUID, changes: dict[str, Any]) -> Record | None:
    """Set what is in `changes`; None when somebody else has deleted the person."""
    row: Record | None = await connection.fetchrow(
        f"""
        UPDATE people SET name = coalesce($2, name), birth_date = CASE WHEN $3 THEN $4 ELSE birth_date END,
               relation = CASE WHEN $5 THEN $6 ELSE relation END, updated_at = now()
        WHERE id = $1 RETURNING {_PERSON}
        """,  # noqa: S608 - a constant of this module
        person_id,
        changes.get("name"),
        "birth_date" in changes,
        changes.get("birth_date"),
        "relation" in changes,
        changes.get("relation"),
    )
    return row


async def delete(connection: Connection, person_id: UUID) -> None:
    """Delete a person; entries about them stay, about nobody."""
    await connection.execute("DELETE FROM people WHERE id = $1", person_id)
