"""`Idempotency-Key`: the same POST sent again gives the first answer and no second effect."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Header

from shared.errors import Conflict, Unprocessable
from shared.http import idempotency_store as store

if TYPE_CHECKING:
    from shared.db import Connection

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes a retry safe for 24 hours",
    ),
]


class IdempotencyKeyReused(Unprocessable):
    """One key, two different requests."""

    code = "idempotency_key_reused"
    title = "Idempotency key used for another request"
    default_detail = (
        "This Idempotency-Key belongs to a request with another body or path. Use a new key for a new request."
    )


class RequestStillRunning(Conflict):
    """The first request with this key has not finished."""

    code = "request_still_running"
    default_detail = "The first request with this Idempotency-Key is still running. Try again in a moment."


@dataclass(frozen=True, slots=True)
class OnceOnly:
    """A key's slot inside the transaction of the effect: ask `recall` first, end with `remember`.

    Both run on the connection that writes the effect, so either both are there or neither; a second request with the key waits for the first on
    the row. Without a key everything passes through.
    """

    connection: Connection
    user_id: UUID
    key: str | None
    request: tuple[Any, ...]

    async def recall(self) -> dict[str, Any] | None:
        """The first answer, if this request was done before."""
        if self.key is None:
            return None
        digest = hashlib.sha256(json.dumps(self.request, sort_keys=True, default=str).encode()).digest()
        if await store.reserve(self.connection, self.user_id, self.key, digest):
            return None
        kept = await store.read(self.connection, self.user_id, self.key)
        if kept is None or kept["response"] is None:
            raise RequestStillRunning
        if bytes(kept["request_hash"]) != digest:
            raise IdempotencyKeyReused
        response: dict[str, Any] = kept["response"]
        return response

    async def remember(self, response: dict[str, Any]) -> None:
        """Keep the answer (JSON) for the next one who asks with this key."""
        if self.key is not None:
            await store.complete(self.connection, self.user_id, self.key, response)
