"""The promise to bring an entry's points up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from shared.ids import new_id
from shared.outbox import enqueue_task

if TYPE_CHECKING:
    from shared.db import Connection

REFRESH_QUEUE = "refresh-entry"


async def refresh_later(
    connection: Connection, entry_id: UUID, space_id: UUID, *, vectors: bool, name: str | None = None
) -> None:
    """Have the points' filters brought up to date, with `vectors` also what they hold; `name` makes it once."""
    body = {"entry_id": entry_id, "space_id": space_id, "vectors": vectors}
    await enqueue_task(connection, REFRESH_QUEUE, name or str(new_id()), body)
