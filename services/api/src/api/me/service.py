"""Who one is here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.contracts.identity import Me, Space, User
from shared.errors import NotFound

from api.me import store
from api.me.schemas import ProfileChange

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal


class MeService:
    """The signed-in person's profile and spaces."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def me(self, principal: Principal) -> Me:
        """Profile and spaces."""
        async with self._database.tenant_tx(principal) as connection:
            return await _read(connection, principal)

    async def change(self, principal: Principal, change: ProfileChange) -> Me:
        """Change name or language."""
        async with self._database.tenant_tx(principal) as connection:
            await store.change_profile(connection, principal.user_id, change.model_dump(exclude_unset=True))
            return await _read(connection, principal)


async def _read(connection: Connection, principal: Principal) -> Me:
    row = await store.profile(connection, principal.user_id)
    spaces = [Space.model_validate(space) for space in row["spaces"]] if row else []
    personal = next((space.id for space in spaces if space.kind == "personal"), None)
    if row is None or personal is None:
        raise NotFound
    names = ("id", "email", "display_name", "locale", "is_admin")
    return Me(user=User(**{name: row[name] for name in names}), personal_space_id=personal, spaces=spaces)
