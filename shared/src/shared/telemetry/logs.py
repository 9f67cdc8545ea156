"""Structured logs: one JSON object a line, with the request they belong to and never what people wrote."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from shared.errors import Problem
from shared.telemetry.request import request_id
from shared.telemetry.trace_context import current_trace

_FRAMES = 12
_SEVERITIES = {"WARNING": "WARNING", "ERROR": "ERROR", "CRITICAL": "CRITICAL", "DEBUG": "DEBUG"}


class JsonFormatter(logging.Formatter):
    """Cloud Logging's field names; extras given as `extra={"fields": {...}}` are merged. With `project`, lines are shown beside their trace."""

    def __init__(self, service: str, project: str | None = None) -> None:
        super().__init__()
        self._service = service
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "severity": _SEVERITIES.get(record.levelname, "INFO"),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        line.update(self._trace())
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = _without_content(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)

    def _trace(self) -> dict[str, object]:
        trace = current_trace.get()
        if trace is None or self._project is None:
            return {}
        return {
            "logging.googleapis.com/trace": f"projects/{self._project}/traces/{trace.trace_id}",
            "logging.googleapis.com/spanId": trace.span_id,
            "logging.googleapis.com/trace_sampled": trace.sampled,
        }


def _without_content(error: BaseException | None) -> str:
    """Types and places of an exception and its causes, innermost last. Messages stay out: asyncpg's, for one, quote the values of a statement."""
    lines: list[str] = []
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        lines.append(type(error).__qualname__ + _own_words(error))
        lines.extend(f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-_FRAMES:])
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(lines)


def _own_words(error: BaseException) -> str:
    # What the operating system and our own problems say is about machines.
    return f": {error}" if isinstance(error, (OSError, Problem)) else ""


def log_as_json(service: str, level: str = "INFO", project: str | None = None) -> None:
    """Send every log line of this process to stderr as JSON; called by a service's `__main__` only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service, project))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The access log is ours (`shared.http.access`), with the request id and without query strings.
    logging.getLogger("uvicorn.access").disabled = True
    # These would say whom we called, signatures in queries included.
    for client in ("httpx", "httpcore", "urllib3", "botocore"):
        logging.getLogger(client).setLevel(logging.WARNING)
