"""`maru dead-letters`: messages that were given up, with their causes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from maru.commands.database import database_of
from maru.home import Home

if TYPE_CHECKING:
    from shared.db import Connection

    from maru.deliverer.queue import DeadLetter

Answer = TypeVar("Answer")


def list_letters(env: Mapping[str, str]) -> list[DeadLetter]:
    """The newest hundred."""
    from maru.deliverer.queue import dead_letters

    return _with_connection(env, dead_letters)


def retry_letters(env: Mapping[str, str], ids: Sequence[int]) -> int:
    """Try these again, or all when none are named; how many."""
    from maru.deliverer.queue import retry_dead_letters

    return _with_connection(env, lambda connection: retry_dead_letters(connection, ids or None))


def _with_connection(env: Mapping[str, str], work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
    from shared.settings import maru_home

    async def run(dsn: str) -> Answer:
        from shared.db import Database

        database = Database(dsn, max_size=1)
        try:
            async with database.service_tx() as connection:
                return await work(connection)
        finally:
            await database.close()

    with database_of(Home(maru_home(env)), env) as dsn_of:
        return asyncio.run(run(dsn_of("maru_deliverer")))
