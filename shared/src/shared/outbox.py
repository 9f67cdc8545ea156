"""Promises to the outside, written in the transaction of the change they belong to.

Whoever commits then calls `Relay.after_commit`; rows that are left over are found by the sweep.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID, uuid5

from shared.ids import new_id

if TYPE_CHECKING:
    from shared.db import Connection, Database

RELAY_CHANNEL = "maru_outbox"
_TASK_NAMES = UUID("6f1d7c1e-3c55-4a39-9c0e-3a0f6b1f5a10")
_DEBOUNCE_S = 0.002
_APART_S = 0.025

log = logging.getLogger(__name__)


class Relay(Protocol):
    """Whatever carries outbox rows away."""

    async def after_commit(self) -> None:
        """Tell it that rows were committed. Calling it once too often, or not at all, loses nothing."""
        ...

    async def drain(self) -> int:
        """Carry away what is due, also what somebody else left behind; how many rows that were. For the sweep."""
        ...

    async def close(self) -> None:
        """End; rows that are left stay in the outbox. Before the database closes."""
        ...


class NotifyRelay:
    """Wakes a relay in another process: soon after the first commit, and under load forty times a second. A NOTIFY in every transaction would
    serialise them, and each is a commit of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pending: asyncio.Task[None] | None = None
        self._last_s = float("-inf")

    async def after_commit(self) -> None:
        """Schedule the wake-up, unless one is already scheduled."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.create_task(self._notify(), name="outbox-notify")

    async def drain(self) -> int:
        """Wake whoever carries; nothing is carried here."""
        await self.after_commit()
        return 0

    async def close(self) -> None:
        """Let a wake-up that is under way arrive."""
        if self._pending is not None:
            await asyncio.wait([self._pending], timeout=1)

    async def _notify(self) -> None:
        await asyncio.sleep(max(_DEBOUNCE_S, self._last_s + _APART_S - time.monotonic()))
        self._pending, self._last_s = None, time.monotonic()
        try:
            await self._database.call("pg_notify", RELAY_CHANNEL, "")
        except Exception:
            log.warning("the outbox relay could not be woken; it polls", exc_info=True)


async def emit_event(connection: Connection, topic: str, key: UUID | str, body: dict[str, Any]) -> UUID:
    """Promise that the fact `topic` (past tense, `entry.saved`) is published; facts with one `key` arrive in the order of their commits.

    The caller holds a row lock on what `key` names. A second call is a second event.
    """
    event_id = new_id()
    await connection.execute(
        "INSERT INTO outbox (id, kind, topic_or_queue, key, body) VALUES ($1, 'event', $2, $3, $4)",
        event_id,
        topic,
        str(key),
        body,
    )
    return event_id


async def enqueue_task(
    connection: Connection, queue: str, name: str, body: dict[str, Any], not_before: datetime | None = None
) -> UUID:
    """Promise that the command `queue` (`index-entry`) is called with `body`, not before `not_before`.

    `name` identifies the work: a second call with the same queue and name changes nothing.
    """
    task_id = uuid5(_TASK_NAMES, f"{queue}\0{name}")
    await connection.execute(
        "INSERT INTO outbox (id, kind, topic_or_queue, key, body, not_before) VALUES ($1, 'task', $2, NULL, $3, $4) ON CONFLICT DO NOTHING",
        task_id,
        queue,
        body,
        not_before,
    )
    return task_id
