"""Where the log lines of a `maru up` go: a file, so that the terminal stays readable."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from shared.telemetry import JsonFormatter

_KEPT_BYTES = 10_000_000


def log_to_file(folder: Path, level: str) -> Path:
    """Send every log line of this process to `maru.log`, one JSON object a line."""
    path = folder / "maru.log"
    handler = RotatingFileHandler(path, maxBytes=_KEPT_BYTES, backupCount=3, encoding="utf-8")
    handler.setFormatter(JsonFormatter("maru"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = True
    return path
