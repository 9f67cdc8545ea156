"""Incoming messages, kept once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.db import Connection


@asynccontextmanager
async def handle_once(connection: Connection, consumer: str, message_id: str) -> AsyncGenerator[bool]:
    """Yield whether this message is still to be handled; the effect must be written on the same `connection`.

    Two deliveries at once wait for each other on the row; the second then finds it handled. An effect that fails takes the row with it, so the
    message is handled again when it is delivered again.
    """
    fresh = await connection.fetchval(
        """
        INSERT INTO inbox AS i (consumer, message_id, handled_at) VALUES ($1, $2, now())
        ON CONFLICT (consumer, message_id) DO UPDATE SET handled_at = now() WHERE i.handled_at IS NULL
        RETURNING true
        """,
        consumer,
        message_id,
    )
    yield bool(fresh)
