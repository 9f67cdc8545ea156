"""`/api/v1/streams`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel
from shared.streams import StreamStatus

from api.http.caller import Caller
from api.http.following import EVENT_STREAM, After, Follow
from api.http.services import provided
from api.streams.service import StreamService

router = APIRouter(prefix="/api/v1/streams", tags=["streams"])
Service = Annotated[StreamService, Depends(provided(StreamService))]


class StreamState(BaseModel):
    """A stream and how it stands."""

    stream_id: UUID
    status: StreamStatus


@router.get("/{stream_id}", response_class=Response, responses=EVENT_STREAM, summary="Follow a stream")
async def follow(stream_id: UUID, caller: Caller, following: Follow, after: After) -> Response:
    """Everything after `Last-Event-ID`, then what comes, up to the terminal event; leaving does not stop the producer."""
    return await following.response(caller, stream_id, after)


@router.post("/{stream_id}/cancel", status_code=202, summary="Stop what produces a stream")
async def cancel(stream_id: UUID, caller: Caller, service: Service) -> StreamState:
    """The producer stops within a second; the stream then ends with `cancelled`. One that has ended stays as it is."""
    return StreamState(stream_id=stream_id, status=await service.cancel(caller, stream_id))
