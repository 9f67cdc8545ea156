"""Transactions through a transaction pooler: the next client of a server connection is somebody else, and must not notice the one before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest
from shared.db import Connection, Database, Principal
from shared.db.database import DatabaseAway
from shared.errors import Problem
from shared.ids import new_id
from shared.testing import eventually
from shared.testing.postgres import RoleUrls

ALICE = Principal(new_id(), "alice@example.com")
BOB = Principal(new_id(), "bob@example.com")


@pytest.fixture
async def database(pooled_urls: RoleUrls) -> AsyncGenerator[Database]:
    """Eight clients on the one connection that the pooler has."""
    database = Database(pooled_urls.api, max_size=8, pooled=True)
    yield database
    await database.close()


@pytest.fixture
async def dispatching(pooled_urls: RoleUrls) -> AsyncGenerator[Database]:
    """As the dispatcher."""
    database = Database(pooled_urls.inference, max_size=8, pooled=True)
    yield database
    await database.close()


async def make_account(database: Database, principal: Principal) -> Any:
    async with database.service_tx() as connection:
        return await connection.fetchval(
            "SELECT ensure_account($1, $2, $3, $4, 'en')", principal.user_id, principal.email, "", new_id()
        )


async def state(connection: Connection) -> tuple[str, str, str]:
    row = await connection.fetchrow(
        """
        SELECT current_user AS role, coalesce(current_setting('request.jwt.claims', true), '') AS claims,
               coalesce(current_setting('maru.space_id', true), '') AS space
        """
    )
    assert row is not None
    return row["role"], row["claims"], row["space"]


async def test_each_kind_of_transaction_acts_for_whom_it_names_and_leaves_nothing_behind(
    database: Database, dispatching: Database
) -> None:
    space = new_id()
    for _ in range(2):
        async with database.tenant_tx(ALICE) as connection:
            role, claims, mark = await state(connection)
            assert (role, mark) == ("authenticated", "")
            assert str(ALICE.user_id) in claims
        async with database.space_tx(space) as connection:
            assert await state(connection) == ("space_worker", "", str(space))
        async with dispatching.dispatch_tx() as connection:
            assert await state(connection) == ("dispatcher", "", "")
        async with database.service_tx() as connection:
            assert await state(connection) == ("maru_api", "", "")
        assert await database.call("read_entry", ALICE.user_id, new_id()) is None
        await database.ready()


async def test_two_tenants_at_once_on_one_connection_never_meet(database: Database) -> None:
    spaces = {principal.user_id: await make_account(database, principal) for principal in (ALICE, BOB)}
    backends: set[int] = set()

    async def look(principal: Principal, round_: int) -> None:
        async with database.tenant_tx(principal) as connection:
            backends.add(await connection.fetchval("SELECT pg_backend_pid()"))
            await connection.execute("UPDATE spaces SET name = $1", f"{principal.email} {round_}")
            rows = await connection.fetch("SELECT id, name FROM spaces WHERE length($1::text) > 0", "x" * (round_ + 1))
            assert [row["id"] for row in rows] == [spaces[principal.user_id]]
            assert rows[0]["name"].startswith(principal.email)
        async with database.service_tx() as connection:
            assert await state(connection) == ("maru_api", "", "")

    await asyncio.gather(*(look(principal, n) for n in range(40) for principal in (ALICE, BOB)))
    assert len(backends) == 1, "the pooler is to hand one connection to everybody"


async def test_hot_reads_of_many_share_one_connection(database: Database) -> None:
    """Outside a transaction a pooler may send a statement's parts to different servers, or another client's parts in between."""

    async def add(number: int) -> None:
        assert await database.call("abs", -number) == number
        assert await database.call("lower", f"NUMBER {number}") == f"number {number}"

    await asyncio.gather(*(add(number) for number in range(60)))


async def test_json_is_taught_to_each_connection_although_the_server_behind_it_changes(database: Database) -> None:
    async def round_trip(number: int) -> None:
        async with database.service_tx() as connection:
            assert await connection.fetchval("SELECT $1::jsonb", {"말": number}) == {"말": number}

    await asyncio.gather(*(round_trip(number) for number in range(40)))


async def test_a_listener_is_refused_where_nobody_would_be_heard(database: Database) -> None:
    with pytest.raises(RuntimeError, match="transaction pooler"):
        async with database.listener():
            raise AssertionError("it would hear nothing, and say nothing")


async def test_nothing_is_prepared_on_the_server(database: Database) -> None:
    for number in range(3):
        async with database.tenant_tx(ALICE) as connection:
            await connection.fetchval("SELECT $1::int + 1", number)
            await connection.executemany("SELECT $1::int", [(1,), (2,)])
            named = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
            assert named == 0


async def test_an_error_leaves_nothing_to_the_next_client(database: Database) -> None:
    await make_account(database, ALICE)
    for statement in ("SELECT 1 / 0", "UPDATE spaces SET kind = 'shared'"):
        with pytest.raises((asyncpg.PostgresError, Problem)):
            async with database.tenant_tx(ALICE) as connection:
                await connection.execute(statement)
        async with database.service_tx() as connection:
            assert await state(connection) == ("maru_api", "", "")


@pytest.mark.parametrize("kind", ["tenant", "space", "service", "call"])
async def test_a_request_that_is_cancelled_anywhere_leaves_nothing_to_the_next_client(
    database: Database, kind: str
) -> None:
    space = await make_account(database, ALICE)
    begin: dict[str, Any] = {
        "tenant": lambda: database.tenant_tx(ALICE),
        "space": lambda: database.space_tx(space),
        "service": database.service_tx,
    }

    async def work() -> None:
        if kind == "call":
            await database.call("read_entry", ALICE.user_id, new_id())
            return
        opening: AbstractAsyncContextManager[Connection] = begin[kind]()
        async with opening as connection:
            await connection.fetchval("SELECT $1::int", 1)

    for turns in range(16):
        task = asyncio.create_task(work())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(20), database.service_tx() as connection:
            assert await state(connection) == ("maru_api", "", "")
            assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned()") is None


async def test_a_cancelled_statement_ends_on_the_server_too(database: Database, database_url: str) -> None:
    watcher = await asyncpg.connect(database_url)

    async def sleeping() -> bool:
        return bool(
            await watcher.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'"
                " AND datname = current_database()"
            )
        )

    async def hang() -> None:
        async with database.service_tx() as connection:
            await connection.execute("SELECT pg_sleep(60)")

    async def quiet() -> bool:
        return not await sleeping()

    try:
        task = asyncio.create_task(hang())
        await eventually(sleeping)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(quiet)
        async with asyncio.timeout(20), database.service_tx() as connection:
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        await watcher.close()


async def test_a_server_connection_that_is_killed_is_an_unavailable_database_and_the_next_one_works(
    database: Database, database_url: str
) -> None:
    await make_account(database, ALICE)

    async def be_cut() -> None:
        async with database.tenant_tx(ALICE) as connection:
            await connection.execute("UPDATE spaces SET name = 'changed'")
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            killer = await asyncpg.connect(database_url)
            await killer.execute("SELECT pg_terminate_backend($1, 5000)", pid)
            await killer.close()
            await connection.fetchval("SELECT 1")

    with pytest.raises(DatabaseAway):
        await be_cut()
    async with database.tenant_tx(ALICE) as connection:
        assert await connection.fetchval("SELECT name FROM spaces") == "alice"


async def test_a_statement_over_its_time_limit_gives_the_connection_back(pooled_urls: RoleUrls) -> None:
    hurried = Database(pooled_urls.api, pooled=True, statement_timeout_s=0.3)
    try:
        with pytest.raises(DatabaseAway):
            async with hurried.service_tx() as connection:
                await connection.execute("SELECT pg_sleep(30)")
        patient = Database(pooled_urls.api, pooled=True)
        async with asyncio.timeout(20), patient.service_tx() as connection:
            assert await state(connection) == ("maru_api", "", "")
        await patient.close()
    finally:
        await hurried.close()


async def test_what_the_login_role_brings_along_holds_behind_the_pooler(database: Database) -> None:
    async with database.service_tx() as connection:
        assert await connection.fetchval("SHOW search_path") == "maru, public"
        assert await connection.fetchval("SHOW idle_in_transaction_session_timeout") == "1min"


async def test_a_startup_parameter_that_the_pooler_does_not_know_would_be_refused(pooled_urls: RoleUrls) -> None:
    """What proves that ours sends none: a direct connection's settings do not get through here."""
    direct = Database(pooled_urls.api)
    try:
        with pytest.raises((DatabaseAway, asyncpg.PostgresError)):
            await direct.ready()
    finally:
        await direct.close()
