"""What a process tells about itself: structured logs, traces, errors; never what people wrote, and never at a request's expense."""

from shared.telemetry.logs import JsonFormatter, log_as_json
from shared.telemetry.opening import Telemetry, open_telemetry
from shared.telemetry.request import request_id
from shared.telemetry.spans import Span, request_span, span, tracing
from shared.telemetry.trace_context import TraceContext, current_trace, traceparent

__all__ = [
    "JsonFormatter",
    "Span",
    "Telemetry",
    "TraceContext",
    "current_trace",
    "log_as_json",
    "open_telemetry",
    "request_id",
    "request_span",
    "span",
    "traceparent",
    "tracing",
]
