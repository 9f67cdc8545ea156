"""What every authenticated person has, whoever authenticated them: a profile and a personal space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.ids import new_id
from shared.outbox import emit_event

from api.auth import store

if TYPE_CHECKING:
    from shared.db import Connection

_MAX_NAME = 120


async def ensure_account(connection: Connection, user_id: UUID, email: str, metadata: Mapping[str, Any]) -> bool:
    """Make what is missing; when the account is new, promise `user.signed_up` in the same transaction and say True."""
    space_id = new_id()
    name, locale = _name(metadata), "ko" if metadata.get("locale") == "ko" else "en"
    found = await store.ensure_account(connection, user_id, email, name, space_id, locale)
    if found != space_id:
        return False
    await emit_event(
        connection, "user.signed_up", user_id, {"user_id": str(user_id), "personal_space_id": str(space_id)}
    )
    return True


def _name(metadata: Mapping[str, Any]) -> str | None:
    """What the person calls themself; written by them, so anything may stand there."""
    for key in ("name", "display_name", "full_name"):
        value = metadata.get(key)
        if isinstance(value, str) and (name := "".join(filter(str.isprintable, value)).strip()):
            return name[:_MAX_NAME]
    return None
