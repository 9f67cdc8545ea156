"""What every request leaves behind and nobody needs for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.http import idempotency_store, rate_store

if TYPE_CHECKING:
    from shared.db import Database


class Tidying:
    """A job of the sweep."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_old(self) -> None:
        """Drop kept answers, handled deliveries and rate buckets that are past their use; a second call at once finds none."""
        async with self._database.service_tx() as connection:
            await idempotency_store.forget_old(connection)
            await rate_store.forget_idle(connection)
