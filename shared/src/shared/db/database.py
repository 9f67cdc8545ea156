"""A lazily opened pool and the three kinds of transaction.

Transactions begin with one simple-protocol message that also sets role and claims, because a round trip is most of what a short read costs.
Both are set with `SET LOCAL`: a session-level setting would be seen by the next client of a transaction pooler.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.errors import Unavailable

if TYPE_CHECKING:
    import asyncpg

    from shared.db.connection import Connection
    from shared.db.principal import Principal


class DatabaseAway(Unavailable):
    """No connection to Postgres could be had."""

    code = "database_unavailable"
    default_detail = "The database does not answer. Nothing was lost; try again in a moment."


class Database:
    """Connections as one login role.

    `pooled=True` says that a transaction pooler stands between (no prepared statements are kept). Opening is free: the first transaction connects.
    """

    def __init__(self, dsn: str, *, max_size: int = 10, pooled: bool = False, statement_timeout_s: float = 30) -> None:
        self._dsn = dsn
        self._max_size = max_size
        self._pooled = pooled
        self._statement_timeout_s = statement_timeout_s
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def tenant_tx(self, principal: Principal) -> AsyncGenerator[Connection]:
        """A transaction in which row-level security shows what `principal` may see, and nothing else."""
        claims = json.dumps({"sub": str(principal.user_id), "role": "authenticated"})
        async with self._transaction(
            f"BEGIN; SET LOCAL ROLE authenticated; SET LOCAL request.jwt.claims = '{claims}'"
        ) as connection:
            yield connection

    @asynccontextmanager
    async def space_tx(self, space_id: UUID) -> AsyncGenerator[Connection]:
        """A transaction of a service at work in one space: rows of every other space are out of its reach."""
        async with self._transaction(
            f"BEGIN; SET LOCAL ROLE space_worker; SET LOCAL maru.space_id = '{UUID(str(space_id))}'"
        ) as connection:
            yield connection

    @asynccontextmanager
    async def service_tx(self) -> AsyncGenerator[Connection]:
        """A transaction as the service itself: its own tables (outbox, inbox, sign-in); rows of tenants do not show."""
        async with self._transaction("BEGIN") as connection:
            yield connection

    @asynccontextmanager
    async def listener(self) -> AsyncGenerator[asyncpg.Connection[Any]]:
        """A connection of its own for LISTEN (not through a transaction pooler)."""
        import asyncpg

        connection = await asyncpg.connect(self._dsn)
        try:
            yield connection
        finally:
            await connection.close(timeout=2)

    async def ready(self) -> None:
        """Raise `DatabaseAway` unless Postgres answers."""
        async with self._transaction("BEGIN") as connection:
            await connection.execute("SELECT 1")

    async def close(self) -> None:
        """Let running transactions end, for two seconds at most."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            await asyncio.wait_for(pool.close(), 2)
        except TimeoutError:
            pool.terminate()

    @asynccontextmanager
    async def _transaction(self, begin: str) -> AsyncGenerator[Connection]:
        pool = self._pool or await self._open()
        connection = await self._acquire(pool)
        try:
            await _begin(connection, begin)
            try:
                yield connection
            except BaseException:
                await _roll_back(connection)
                raise
            await connection.execute("COMMIT")
        finally:
            await pool.release(connection)

    async def _acquire(self, pool: asyncpg.Pool[Any]) -> Any:
        try:
            return await pool.acquire(timeout=10)
        except _away() as away:
            raise DatabaseAway from away

    async def _open(self) -> asyncpg.Pool[Any]:
        import asyncpg

        async with self._opening:
            if self._pool is None:
                pool = asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=self._max_size,
                    init=_teach_json,
                    reset=_no_reset,
                    statement_cache_size=0 if self._pooled else 256,
                    command_timeout=self._statement_timeout_s,
                    server_settings={} if self._pooled else {"application_name": "maru"},
                )
                try:
                    self._pool = await pool
                except _away() as away:
                    raise DatabaseAway from away
            return self._pool


async def _begin(connection: Any, begin: str) -> None:
    try:
        await connection.execute(begin)
    except _away() as away:
        raise DatabaseAway from away


async def _roll_back(connection: Any) -> None:
    # A connection that is gone has rolled back by itself; one that is still busy after a cancellation is thrown away.
    if connection.is_closed():
        return
    try:
        await asyncio.wait_for(asyncio.shield(connection.execute("ROLLBACK")), 5)
    except Exception:  # noqa: BLE001 - whatever it was, the connection is not to be used again
        connection.terminate()


async def _teach_json(connection: asyncpg.Connection[Any]) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_dump, decoder=json.loads)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


async def _no_reset(_: asyncpg.Connection[Any]) -> None:
    """Every setting is `SET LOCAL`, so there is nothing to reset and a round trip to save."""


def _away() -> tuple[type[BaseException], ...]:
    import asyncpg

    return (
        OSError,
        TimeoutError,
        asyncpg.CannotConnectNowError,
        asyncpg.ConnectionDoesNotExistError,
        asyncpg.InterfaceError,
        asyncpg.TooManyConnectionsError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
    )
