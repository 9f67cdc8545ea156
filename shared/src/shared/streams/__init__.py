"""Numbered events of anything that takes time: written once, followed live, resumed from any event on any instance."""

from shared.streams.events import StreamEvent, StreamStatus
from shared.streams.follow import StreamFollower
from shared.streams.hub import StreamHub
from shared.streams.sse import sse_response
from shared.streams.writer import StreamWriter

__all__ = ["StreamEvent", "StreamFollower", "StreamHub", "StreamStatus", "StreamWriter", "sse_response"]
