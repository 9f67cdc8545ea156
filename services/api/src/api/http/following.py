"""Following a stream over HTTP, from any event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Query, Response
from shared.errors import BadRequest, NotFound
from shared.streams import StreamFollower, sse_response
from shared.streams import store as stream_store

from api.http.services import provided

if TYPE_CHECKING:
    from shared.db import Database, Principal
    from shared.streams import StreamHub

EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `id` is the number to resume after, `event` the name, `data` JSON",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The stream has ended and everything up to its end was seen: do not reconnect"},
}
_MOST_DIGITS = 18


class StreamNotFound(NotFound):
    """No such stream, or not this person's."""

    code = "stream_not_found"
    default_detail = "There is no such stream, or it is not yours."


class LastEventIdInvalid(BadRequest):
    """The position is not one this api has given."""

    code = "last_event_id_invalid"
    default_detail = (
        "`Last-Event-ID` is the `id` of the last event you saw, a whole number; leave it out to start again."
    )


def resume_after(
    last_event_id: Annotated[str | None, Header(description="Resume after this event")] = None,
    after: Annotated[int | None, Query(ge=0, lt=10**_MOST_DIGITS, description="As Last-Event-ID, which wins")] = None,
) -> int:
    """The number of the last event the client has seen; 0 from the start."""
    if not last_event_id:
        return after or 0
    if not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= _MOST_DIGITS):
        raise LastEventIdInvalid
    return int(last_event_id)


After = Annotated[int, Depends(resume_after)]


class Following:
    """Answers with a stream as its reader may see it."""

    def __init__(self, database: Database, hub: StreamHub) -> None:
        self._database = database
        self._hub = hub

    async def response(self, principal: Principal, stream_id: UUID, after: int) -> Response:
        """Replay after `after`, then follow to the end. 204 keeps a browser's EventSource from reconnecting for ever."""
        async with self._database.tenant_tx(principal) as connection:
            stream = await stream_store.find(connection, stream_id)
        if stream is None:
            raise StreamNotFound
        if stream["status"] != "running" and stream["last_seq"] <= after:
            return Response(status_code=204)
        follower = StreamFollower(lambda: self._database.tenant_tx(principal), self._hub)
        return sse_response(follower.follow(stream_id, after))


Follow = Annotated[Following, Depends(provided(Following))]
