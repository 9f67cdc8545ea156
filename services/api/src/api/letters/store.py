"""The SQL of dead letters; every function shows and does nothing unless the caller administers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from shared.db import Connection, Record

Position = tuple[datetime, str]


async def failed_tasks(connection: Connection, before: Position | None, limit: int) -> list[Record]:
    """Tasks that failed, the latest first."""
    rows: list[Record] = await connection.fetch(
        "SELECT * FROM failed_tasks($1, $2, $3)", *(before or (None, None)), limit
    )
    return rows


async def dead_deliveries(connection: Connection, before: Position | None, limit: int) -> list[Record]:
    """Messages that a service kept refusing or that could not be published, the latest first."""
    rows: list[Record] = await connection.fetch(
        "SELECT * FROM dead_deliveries($1, $2, $3)", *(before or (None, None)), limit
    )
    return rows


async def parked_messages(connection: Connection, before: Position | None, limit: int) -> list[Record]:
    """Messages that nobody understands, the latest first."""
    rows: list[Record] = await connection.fetch(
        "SELECT * FROM set_aside_messages($1, $2, $3)", *(before or (None, None)), limit
    )
    return rows


async def task_owner(connection: Connection, task_id: UUID) -> UUID | None:
    """Whose failed task this is."""
    owner: UUID | None = await connection.fetchval("SELECT failed_task_owner($1)", task_id)
    return owner


async def retry_delivery(connection: Connection, delivery_id: int) -> bool:
    """Deliver a message again from the first attempt; False when it is not dead."""
    return bool(await connection.fetchval("SELECT retry_delivery($1)", delivery_id))
