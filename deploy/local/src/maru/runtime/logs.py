"""Where the log lines of a `maru up` go: a file, so that the terminal stays readable."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from shared.telemetry import JsonFormatter

from maru.errors import CannotStart

_KEPT_BYTES = 10_000_000


def log_to_file(folder: Path, level: str) -> Path:
    """Send every log line of this process to `maru.log`, one JSON object a line."""
    known = logging.getLevelNamesMapping()
    if level.upper() not in known:
        raise CannotStart(f"MARU_LOG_LEVEL is {level!r}: use DEBUG, INFO, WARNING or ERROR.")
    path = folder / "maru.log"
    handler = RotatingFileHandler(path, maxBytes=_KEPT_BYTES, backupCount=3, encoding="utf-8")
    handler.setFormatter(JsonFormatter("maru"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(known[level.upper()])
    logging.getLogger("uvicorn.access").disabled = True
    return path
