"""The HTTP requests that Google makes."""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Push:
    """One request that was made, and how it was answered; status 0: not at all."""

    name: str
    """The subscription or queue."""
    message: str
    """The message's id or the task's name."""
    attempt: int
    status: int
    key: str = ""


def post(url: str, body: bytes, headers: Mapping[str, str], timeout_s: float, method: str = "POST") -> int:
    """The status of the answer, 0 when none came in time. Redirects are not followed, and no proxy is asked."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    ends_at = time.monotonic() + timeout_s
    try:
        path = parts.path or "/"
        connection.request(method, f"{path}?{parts.query}" if parts.query else path, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
    return answer.status if time.monotonic() <= ends_at else 0
