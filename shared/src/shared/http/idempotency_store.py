"""The SQL of idempotency keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def reserve(connection: Connection, user_id: UUID, key: str, request_hash: bytes) -> bool:
    """Take the key; False when it is taken (after waiting for whoever is writing it). A key older than a day is free again."""
    taken = await connection.fetchval(
        """
        INSERT INTO idempotency_keys AS k (user_id, key, request_hash) VALUES ($1, $2, $3)
        ON CONFLICT (user_id, key) DO UPDATE SET request_hash = $3, response = NULL, created_at = now()
          WHERE k.created_at < now() - interval '1 day'
        RETURNING true
        """,
        user_id,
        key,
        request_hash,
    )
    return bool(taken)


async def read(connection: Connection, user_id: UUID, key: str) -> Record | None:
    """What the key holds: `request_hash, response`."""
    row: Record | None = await connection.fetchrow(
        "SELECT request_hash, response FROM idempotency_keys WHERE user_id = $1 AND key = $2", user_id, key
    )
    return row


async def complete(connection: Connection, user_id: UUID, key: str, response: dict[str, Any]) -> None:
    """Store the answer."""
    await connection.execute(
        "UPDATE idempotency_keys SET response = $3 WHERE user_id = $1 AND key = $2", user_id, key, response
    )


async def forget_old(connection: Connection) -> None:
    """Drop answers older than a day and deliveries handled more than a month ago, of everybody; for the sweep of a service."""
    await connection.execute("SELECT forget_old_requests()")
