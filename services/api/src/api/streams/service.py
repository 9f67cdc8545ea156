"""Stopping streams, and ending those whose producer died."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.streams import store as stream_store

from api.http.following import StreamNotFound

if TYPE_CHECKING:
    from shared.db import Database, Principal
    from shared.streams import StreamHub, StreamStatus

_INTERRUPTED = {
    "code": "interrupted",
    "detail": "The process that was at work stopped before it had finished. What had arrived is kept; start again.",
}


@dataclass(frozen=True, slots=True)
class StreamService:
    """What can be done to a stream besides following it."""

    database: Database
    hub: StreamHub

    async def cancel(self, principal: Principal, stream_id: UUID) -> StreamStatus:
        """Ask the producer to stop; the answer is the status at this moment. A second call changes nothing."""
        async with self.database.tenant_tx(principal) as connection:
            status = await stream_store.request_cancel(connection, stream_id)
        if status is None:
            raise StreamNotFound
        self.hub.cancel(stream_id)
        return status

    async def end_abandoned(self) -> int:
        """End streams whose producer no longer renews its lease, each in the space it belongs to."""
        async with self.database.service_tx() as connection:
            abandoned = await stream_store.abandoned(connection)
        for stream in abandoned:
            async with self.database.space_tx(stream["space_id"]) as connection:
                await stream_store.finish_next(
                    connection,
                    stream["id"],
                    "interrupted",
                    "interrupted",
                    dict(_INTERRUPTED),
                    gap=stream_store.AFTER_DEATH_GAP,
                )
            self.hub.wake(stream["id"])
        return len(abandoned)
