"""Reports errors to Sentry: their types and places, and which request they belong to; nothing that anybody wrote.

Every log line of level ERROR is a report. Its text stays here, since other people's libraries put values into theirs; so do messages of exceptions,
local variables, lines of source, requests and users. The report is made by hand from what is left, and its client is loaded at the first one.
"""

from __future__ import annotations

import logging
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.telemetry.outflow import Outflow
from shared.telemetry.request import request_id
from shared.telemetry.settings import TelemetrySettings
from shared.telemetry.trace_context import current_trace

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

_FRAMES = 50
_CAUSES = 10
_KEPT = frozenset(
    {
        "contexts",
        "environment",
        "event_id",
        "exception",
        "level",
        "logger",
        "platform",
        "release",
        "sdk",
        "tags",
        "timestamp",
        "transaction",
        "type",
    }
)
_LIBRARIES = sysconfig.get_path("purelib")
_OWN_FAILURES = "shared.telemetry"

Report = dict[str, Any]


class ErrorReports(logging.Handler):
    """A log handler whose records leave as reports."""

    def __init__(self, outflow: Outflow[Report]) -> None:
        super().__init__(logging.ERROR)
        self._outflow = outflow

    def emit(self, record: logging.LogRecord) -> None:
        """Take it along; never raises."""
        if record.name.startswith((_OWN_FAILURES, "sentry_sdk", "urllib3")):
            return
        self._outflow.put(_report(record))


def open_sentry(service: str, settings: TelemetrySettings) -> Callable[[Sequence[Report]], None]:
    """Loads Sentry's client, with everything off that gathers by itself."""
    import sentry_sdk

    client = sentry_sdk.Client(
        dsn=settings.sentry_dsn,
        release=settings.release,
        environment=settings.environment,
        server_name=service,
        default_integrations=False,
        auto_enabling_integrations=False,
        auto_session_tracking=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        send_client_reports=False,
        attach_stacktrace=False,
        before_send=_scrubbed,
        shutdown_timeout=0,
    )

    def send(batch: Sequence[Report]) -> None:
        for report in batch:
            client.capture_event({**report, "tags": {**report["tags"], "service": service}})  # type: ignore[typeddict-item]
        client.flush(timeout=10)

    return send


def _report(record: logging.LogRecord) -> Report:
    tags = {"request_id": request_id.get()} if request_id.get() else {}
    report: Report = {
        "timestamp": datetime.fromtimestamp(record.created, UTC),
        "platform": "python",
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": record.name,
        "transaction": f"{record.name}.{record.funcName}",
        "tags": tags,
    }
    if (trace := current_trace.get()) is not None:
        report["contexts"] = {"trace": {"trace_id": trace.trace_id, "span_id": trace.span_id}}
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        report["exception"] = {
            "values": [{"type": "LoggedError", "value": "", "stacktrace": {"frames": [_place(record)]}}]
        }
    else:
        # Sentry wants the outermost cause first.
        report["exception"] = {"values": [_exception(each) for each in reversed(list(_causes(error)))]}
    return report


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < _CAUSES:
        yield error
        seen += 1
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _exception(error: BaseException) -> dict[str, Any]:
    frames = [
        {
            "filename": frame.filename,
            "function": frame.name,
            "lineno": frame.lineno,
            "in_app": not frame.filename.startswith(_LIBRARIES),
        }
        for frame in traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    ]
    return {
        "type": type(error).__qualname__,
        "module": type(error).__module__,
        "value": "",
        "stacktrace": {"frames": frames},
    }


def _place(record: logging.LogRecord) -> dict[str, Any]:
    return {"filename": record.pathname, "function": record.funcName, "lineno": record.lineno, "in_app": True}


def _scrubbed(event: Event, _: Hint) -> Event:
    """A second look: whatever the client may have added by itself goes."""
    for name in [name for name in event if name not in _KEPT]:
        del event[name]  # type: ignore[misc]
    return event
