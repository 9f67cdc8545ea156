"""Ends answers whose writer died, keeping what had been handed out and stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.db import Principal
from shared.streams import store as stream_store

from api.conversations import store
from api.conversations.production import INTERRUPTED
from api.conversations.reading import message_json

if TYPE_CHECKING:
    from shared.db import Connection, Database
    from shared.streams import StreamHub

STREAM_KIND = "answer"


async def interrupt_if_dead(connection: Connection, hub: StreamHub, conversation_id: UUID) -> UUID | None:
    """End the conversation's running answer if nobody writes it any more; the stream of one that is alive, else None."""
    running = await store.running(connection, conversation_id)
    if running is None:
        return None
    if running["dead"] and await _interrupt(connection, running["id"], running["stream_id"]):
        hub.wake(running["stream_id"])
        return None
    stream_id: UUID = running["stream_id"]
    return stream_id


async def end_all(database: Database, hub: StreamHub) -> int:
    """A job of the sweep: end every abandoned answer, each as the person it belongs to."""
    async with database.service_tx() as connection:
        found = [row for row in await stream_store.abandoned(connection) if row["kind"] == STREAM_KIND]
    for stream in found:
        async with database.space_tx(stream["space_id"]) as connection:
            record = await stream_store.find(connection, stream["id"])
        if record is None or record["owner_id"] is None:
            continue
        async with database.tenant_tx(Principal(record["owner_id"])) as connection:
            await _interrupt(connection, stream["subject_id"], stream["id"])
        hub.wake(stream["id"])
    return len(found)


async def forget_old(database: Database) -> None:
    """A job of the sweep: drop kept answers that are past their use."""
    async with database.service_tx() as connection:
        await store.forget_old_answers(connection)


async def _interrupt(connection: Connection, message_id: UUID, stream_id: UUID) -> bool:
    """False when the writer turned out to be alive."""
    # Message before stream, as the writer's own end does it: two ends at once then wait for each other instead of locking each other out.
    await store.lock_message(connection, message_id)
    over = await stream_store.find(connection, stream_id)
    if (
        over is not None
        and over["status"] == "running"
        and not await stream_store.lock_abandoned(connection, stream_id)
    ):
        return False
    events = await _stored(connection, stream_id)
    fields: dict[str, Any] = {
        "status": "interrupted",
        "content": "".join(event.data["text"] for event in events if event.type == "delta"),
        "citations": [event.data for event in events if event.type == "citation"],
        "passages": [],
        "provider": None,
        "model": None,
        "usage": None,
        "error": INTERRUPTED,
    }
    row = await store.finish(connection, message_id, fields)
    if row is not None:
        data = INTERRUPTED | {"message": message_json(row)}
        await stream_store.finish_next(
            connection, stream_id, "interrupted", "interrupted", data, gap=stream_store.AFTER_DEATH_GAP
        )
    return True


async def _stored(connection: Connection, stream_id: UUID) -> list[Any]:
    events: list[Any] = []
    while page := await stream_store.read(connection, stream_id, events[-1].seq if events else 0):
        events += page
    return events
