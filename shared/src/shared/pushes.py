"""Pub/Sub pushes, opened: what every service that listens to facts has to read."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class MessageMalformed(ValueError):
    """It will be as wrong tomorrow."""


@dataclass(frozen=True, slots=True)
class Push:
    """A push: its message's id and the fact itself."""

    message_id: str
    data: dict[str, Any]


def open_envelope(raw: bytes) -> Push:
    """Read a push envelope; raises `MessageMalformed` with what is wrong."""
    try:
        message = json.loads(raw)["message"]
        message_id = message.get("messageId") or message["message_id"]
        data = json.loads(base64.b64decode(message["data"], validate=True))
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error, RecursionError) as error:
        raise MessageMalformed(f"not a push envelope: {type(error).__name__}") from error
    named = isinstance(message_id, str) and 0 < len(message_id) <= 200 and message_id.isprintable()
    if not named or not isinstance(data, dict):
        raise MessageMalformed("not a push envelope: no message id, or data that is no object")
    return Push(message_id, data)


def reason(error: ValidationError) -> str:
    """Which fields do not fit, without what they hold."""
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False))
