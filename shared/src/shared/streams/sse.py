"""Server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING

from shared.streams.events import StreamEvent

if TYPE_CHECKING:
    from starlette.responses import StreamingResponse

_HEARTBEAT_S = 15
_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


def sse_response(events: AsyncIterator[StreamEvent]) -> StreamingResponse:
    """Stream events as `text/event-stream`; a comment every 15 s keeps proxies from hanging up. A client that leaves stops only the reading."""
    from starlette.responses import StreamingResponse

    return StreamingResponse(_encode(events), media_type="text/event-stream", headers=_HEADERS)


def encode_event(event: StreamEvent) -> bytes:
    """One event on the wire; JSON never holds a raw line break, so one `data:` line is enough."""
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"id: {event.seq}\nevent: {event.type}\ndata: {data}\n\n".encode()


async def _encode(events: AsyncIterator[StreamEvent]) -> AsyncGenerator[bytes]:
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=_HEARTBEAT_S)
            if not done:
                yield b": still here\n\n"
                continue
            event = pending.result()
            if event is None:
                return
            yield encode_event(event)
            pending = asyncio.ensure_future(anext(events, None))
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
        if isinstance(events, AsyncGenerator):
            # Not left to the garbage collector: a reader that has gone must not stay among the listeners.
            await events.aclose()
