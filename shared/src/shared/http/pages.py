"""Page tokens: an opaque position in a list, bound to the filters it was made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from shared.errors import BadRequest


class PageTokenInvalid(BadRequest):
    """The token was not made by this list with these filters."""

    code = "page_token_invalid"
    default_detail = (
        "Use `next_page_token` of the previous page, with the same filters; or leave it out to start again."
    )


def encode_page_token(position: Sequence[Any], filters: Sequence[Any] = ()) -> str:
    """A token for the rows after `position` (the sort key of a page's last row)."""
    raw = json.dumps([_digest(filters), *map(str, position)], separators=(",", ":"))
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def decode_page_token(token: str | None, length: int, filters: Sequence[Any] = ()) -> list[str] | None:
    """The position as strings, None for the first page; raises `PageTokenInvalid`."""
    if not token:
        return None
    try:
        parts = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise PageTokenInvalid from error
    if not isinstance(parts, list) or len(parts) != length + 1 or parts[0] != _digest(filters):
        raise PageTokenInvalid
    if not all(isinstance(part, str) for part in parts):
        raise PageTokenInvalid
    return parts[1:]


def _digest(filters: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(list(filters), default=str).encode()).hexdigest()[:12]
