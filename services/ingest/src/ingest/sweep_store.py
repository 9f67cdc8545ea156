"""The SQL of the sweep and of reindexing: entries of every tenant, by narrow functions that tell no more than ids."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from shared.ids import new_id

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def stalled(connection: Connection, idle_s: float, limit: int) -> list[Record]:
    """Entries nobody has worked on for so long, and failed ones whose time to try again has come: `id, space_id, version, epoch, failed`."""
    rows: list[Record] = await connection.fetch(
        "SELECT id, space_id, version, epoch, failed FROM stalled_entries($1, $2)", timedelta(seconds=idle_s), limit
    )
    return rows


async def restart(connection: Connection, entry_id: UUID) -> bool:
    """Take a failed entry up again at the step that failed; False when somebody has done so already."""
    return bool(await connection.fetchval("SELECT true FROM restart_entry($1, $2)", entry_id, new_id()))


async def after(connection: Connection, last: UUID, limit: int) -> list[Record]:
    """The next entries in the order of their ids: `id, space_id, version`."""
    rows: list[Record] = await connection.fetch("SELECT id, space_id, version FROM entries_after($1, $2)", last, limit)
    return rows


async def forget_handled(connection: Connection) -> None:
    """Drop inbox rows that are older than any redelivery, and parked messages nobody has looked at for a season."""
    await connection.execute("DELETE FROM inbox WHERE consumer = 'ingest' AND handled_at < now() - interval '32 days'")
    await connection.execute("DELETE FROM parked_messages WHERE parked_at < now() - interval '90 days'")


async def five_minutes(connection: Connection) -> int:
    """A number that the database's clock raises every five minutes."""
    number: int = await connection.fetchval("SELECT (extract(epoch FROM now()) / 300)::bigint")
    return number
