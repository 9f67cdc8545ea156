"""A lazily opened pool and the three kinds of transaction.

Transactions begin with one simple-protocol message that also sets role and claims, because a round trip is most of what a short read costs.
Both are set with `SET LOCAL`: a session-level setting would be seen by the next client of a transaction pooler.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.errors import Problem, Unavailable, Unprocessable

if TYPE_CHECKING:
    import asyncpg

    from shared.db.connection import Connection
    from shared.db.principal import Principal


class DatabaseAway(Unavailable):
    """No connection to Postgres could be had."""

    code = "database_unavailable"
    default_detail = "The database does not answer. Nothing was lost; try again in a moment."


class NotCommitted(Unavailable):
    """The transaction did not commit, or its end was not heard."""

    code = "not_committed"
    title = "Not known to be stored"
    default_detail = "It is not certain that this was stored. Send it again with the same Idempotency-Key."


class ValueNotStorable(Unprocessable):
    """A value that no validation caught and Postgres refuses; its text is not repeated, because it belongs to somebody."""

    code = "value_not_storable"
    default_detail = "A value cannot be stored: text must be valid Unicode without NUL characters, and numbers and dates within range."


class Database:
    """Connections as one login role.

    `pooled=True` says that a transaction pooler stands between (no prepared statements are kept). Unless told, port 6543 is taken for one, which is
    Supabase's. Opening is free: the first transaction connects.
    """

    def __init__(
        self,
        dsn: str,
        *,
        max_size: int = 10,
        pooled: bool | None = None,
        statement_timeout_s: float = 30,
        acquire_timeout_s: float = 10,
    ) -> None:
        self._dsn = dsn
        self._acquire_timeout_s = acquire_timeout_s
        self._max_size = max_size
        self._pooled = ":6543/" in dsn if pooled is None else pooled
        self._statement_timeout_s = statement_timeout_s
        self._pool: asyncpg.Pool[Any] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def tenant_tx(self, principal: Principal) -> AsyncGenerator[Connection]:
        """A transaction in which row-level security shows what `principal` may see, and nothing else."""
        claims = json.dumps({"sub": str(UUID(str(principal.user_id))), "role": "authenticated"})
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
    async def dispatch_tx(self) -> AsyncGenerator[Connection]:
        """A transaction of the dispatcher: jobs and tasks of every tenant, and nothing else of theirs."""
        async with self._transaction("BEGIN; SET LOCAL ROLE dispatcher") as connection:
            yield connection

    async def call(self, function: str, *arguments: Any) -> Any:
        """The value of a database function, in a transaction of its own that costs no round trip beyond the call.

        For hot reads alone, by a function that sets the role it looks with as its first act, local to that transaction.
        """
        if not function.isidentifier():
            raise ValueError(f"{function!r} is no name of a function")
        places = ", ".join(f"${number}" for number in range(1, len(arguments) + 1))
        pool = self._pool or await self._open()
        connection = await self._acquire(pool)
        try:
            return await connection.fetchval(f"SELECT {function}({places})", *arguments)
        except BaseException as error:
            await _roll_back(connection)
            if (problem := _as_problem(error, connection, committing=False)) is not None:
                raise problem from error
            raise
        finally:
            await pool.release(connection)

    @asynccontextmanager
    async def service_tx(self) -> AsyncGenerator[Connection]:
        """A transaction as the service itself: its own tables (outbox, inbox, sign-in); rows of tenants do not show."""
        async with self._transaction("BEGIN") as connection:
            yield connection

    @asynccontextmanager
    async def listener(self) -> AsyncGenerator[asyncpg.Connection[Any]]:
        """A connection of its own for LISTEN and for locks of a session: neither survives a transaction pooler, which is refused."""
        import asyncpg

        if self._pooled:
            raise RuntimeError("a transaction pooler carries no LISTEN and no lock of a session: poll instead")
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
        committing = False
        try:
            await connection.execute(begin)
            yield connection
            committing = True
            await _commit(connection)
        except BaseException as error:
            # Also after a cancelled BEGIN or COMMIT: whatever is left open here would be the next one's transaction, role and all.
            await _roll_back(connection)
            if (problem := _as_problem(error, connection, committing)) is not None:
                raise problem from error
            raise
        finally:
            await pool.release(connection)

    async def _acquire(self, pool: asyncpg.Pool[Any]) -> Any:
        try:
            return await pool.acquire(timeout=self._acquire_timeout_s)
        except (*_away(), _interface_error()) as away:
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
                    # The login roles of the migrations bring the path along; the owner of a Postgres of one's own does not.
                    server_settings={} if self._pooled else {"application_name": "maru", "search_path": "maru, public"},
                )
                try:
                    self._pool = await pool
                except _away() as away:
                    raise DatabaseAway from away
            return self._pool


async def _commit(connection: Any) -> None:
    # A transaction in which a statement has failed answers COMMIT with ROLLBACK and no error.
    if await connection.execute("COMMIT") != "COMMIT":
        raise NotCommitted("A statement failed and its error was swallowed, so nothing was stored.")


async def _roll_back(connection: Any) -> None:
    import asyncpg

    try:
        await asyncio.wait_for(asyncio.shield(connection.execute("ROLLBACK")), 5)
    except asyncpg.InterfaceError:
        # It is closed, and has rolled back by itself.
        return
    except BaseException as failure:  # whatever it was, the connection is not to be used again
        with suppress(asyncpg.InterfaceError):
            connection.terminate()
        if not isinstance(failure, Exception):
            raise


def _as_problem(error: BaseException, connection: Any, committing: bool) -> Problem | None:
    """What a caller is told about a failure of Postgres itself; None for everything else."""
    import asyncpg

    if isinstance(error, asyncpg.DataError):
        return ValueNotStorable()
    # An InterfaceError on a living connection is a mistake in our code and not to be hidden.
    if isinstance(error, _away()) or (isinstance(error, asyncpg.InterfaceError) and _lost(connection)):
        return NotCommitted() if committing else DatabaseAway()
    return None


def _lost(connection: Any) -> bool:
    import asyncpg

    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        # asyncpg takes a dead connection out of our hands.
        return True


async def _teach_json(connection: asyncpg.Connection[Any]) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, schema="pg_catalog", encoder=_dump, decoder=json.loads)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


async def _no_reset(_: asyncpg.Connection[Any]) -> None:
    """Every setting is `SET LOCAL`, so there is nothing to reset and a round trip to save."""


def _interface_error() -> type[BaseException]:
    import asyncpg

    return asyncpg.InterfaceError


def _away() -> tuple[type[BaseException], ...]:
    import asyncpg

    return (
        OSError,
        TimeoutError,
        asyncpg.CannotConnectNowError,
        asyncpg.ConnectionDoesNotExistError,
        asyncpg.PostgresConnectionError,
        asyncpg.TooManyConnectionsError,
        asyncpg.AdminShutdownError,
        asyncpg.CrashShutdownError,
        asyncpg.QueryCanceledError,
        # What the driver says when the server goes between two statements.
        asyncpg.InternalClientError,
    )
