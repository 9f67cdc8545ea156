"""The SQL of messages that are set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.ids import new_id

if TYPE_CHECKING:
    from shared.db import Connection

_KEPT = 10_000


async def park(connection: Connection, consumer: str, topic: str, why: str, raw: bytes) -> None:
    """Keep a message that can never be handled, with the reason."""
    await connection.execute(
        "INSERT INTO parked_messages (id, consumer, topic, reason, body) VALUES ($1, $2, $3, $4, $5)",
        new_id(),
        consumer,
        topic,
        why[:1000].replace("\x00", "�"),
        raw[:_KEPT].decode(errors="replace").replace("\x00", "�"),
    )
