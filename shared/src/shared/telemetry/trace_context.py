"""Which trace the work at hand belongs to: W3C's `traceparent`, or Google's older `X-Cloud-Trace-Context`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?")
_GOOGLE = re.compile(rb"([0-9a-fA-F]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9]{1,3}))?")
_NO_SPAN = "0" * 16
_MOST_SPANS = 1 << 64


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace: `span_id` is what was begun last. Ids are small hexadecimal digits, 32 and 16 of them."""

    trace_id: str
    span_id: str
    sampled: bool

    @property
    def traceparent(self) -> str:
        """The header that lets whoever is called continue the trace."""
        return f"00-{self.trace_id}-{self.span_id}-0{int(self.sampled)}"


current_trace: ContextVar[TraceContext | None] = ContextVar("current_trace", default=None)


def traceparent() -> str | None:
    """The header for a call of ours to ourselves; None outside any trace."""
    current = current_trace.get()
    return current.traceparent if current is not None and current.span_id != _NO_SPAN else None


def incoming_trace(headers: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """What the caller's headers say; whatever is not well formed counts as not there, as the standard demands."""
    google: TraceContext | None = None
    for name, value in headers:
        if name == b"traceparent":
            if (found := _from_traceparent(value)) is not None:
                return found
        elif name == b"x-cloud-trace-context":
            google = _from_google(value)
    return google


def _from_traceparent(value: bytes) -> TraceContext | None:
    match = _TRACEPARENT.fullmatch(value.strip())
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == b"ff" or (version == b"00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & 1))


def _from_google(value: bytes) -> TraceContext | None:
    match = _GOOGLE.fullmatch(value.strip())
    if match is None or not int(match[1], 16):
        return None
    span = int(match[2] or 0)
    if span >= _MOST_SPANS:
        return None
    return TraceContext(match[1].decode().lower(), f"{span:016x}", bool(int(match[3] or 0) & 1))
