"""What is left of a space whose rows are gone: the promise to remove its vectors and files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from shared.outbox import emit_event, enqueue_task

if TYPE_CHECKING:
    from shared.db import Connection

# An address that was signed for an upload may be used for an hour, also when what it belongs to is gone.
ADDRESSES_LIVE = timedelta(hours=1, minutes=5)


async def promise_space_forgotten(connection: Connection, space_id: UUID, deleted_by: UUID | None) -> None:
    """Write the fact in the transaction of the deletion, and have everything looked for once more when the last signed address has died."""
    body = {"space_id": str(space_id)} | ({"deleted_by": str(deleted_by)} if deleted_by else {})
    await emit_event(connection, "space.deleted", space_id, body)
    later = datetime.now(UTC) + ADDRESSES_LIVE
    await enqueue_task(connection, "forget-space", f"{space_id} again", {"space_id": str(space_id)}, later)
