"""Transactions: who they act for, and what is left of them when something goes wrong in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest
from shared.db import Connection, Database, Principal
from shared.db.database import DatabaseAway, NotCommitted
from shared.errors import Problem, Unprocessable
from shared.ids import new_id
from shared.testing import eventually
from shared.testing.postgres import RoleUrls

ALICE = Principal(new_id(), "alice@example.com")
BOB = Principal(new_id(), "bob@example.com")


@pytest.fixture
async def database(api_database_url: str) -> AsyncGenerator[Database]:
    database = Database(api_database_url, max_size=1)
    yield database
    await database.close()


async def make_account(database: Database, principal: Principal) -> Any:
    async with database.service_tx() as connection:
        return await connection.fetchval(
            "SELECT ensure_account($1, $2, $3, $4, 'en')", principal.user_id, principal.email, "", new_id()
        )


async def who_and_what(connection: Connection) -> tuple[str, str]:
    role = await connection.fetchval("SELECT current_user")
    claims = await connection.fetchval("SELECT coalesce(current_setting('request.jwt.claims', true), '')")
    return role, claims


async def test_each_transaction_acts_for_whom_it_names_and_leaves_nothing_behind(database: Database) -> None:
    space = new_id()
    async with database.tenant_tx(ALICE) as connection:
        role, claims = await who_and_what(connection)
        assert role == "authenticated"
        assert str(ALICE.user_id) in claims
    async with database.space_tx(space) as connection:
        role, claims = await who_and_what(connection)
        assert (role, claims) == ("space_worker", "")
        assert await connection.fetchval("SELECT current_space()") == space
    async with database.service_tx() as connection:
        assert await who_and_what(connection) == ("maru_api", "")
        assert await connection.fetchval("SELECT nullif(current_setting('maru.space_id', true), '')") is None


async def test_a_person_sees_their_own_rows_and_the_bare_service_sees_none(database: Database) -> None:
    space = await make_account(database, ALICE)
    await make_account(database, BOB)
    async with database.tenant_tx(ALICE) as connection:
        assert [row["id"] for row in await connection.fetch("SELECT id FROM spaces")] == [space]
    async with database.space_tx(space) as connection:
        assert [row["id"] for row in await connection.fetch("SELECT id FROM spaces")] == [space]
    async with database.service_tx() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT id FROM spaces")
        await connection.execute("ROLLBACK; BEGIN")


async def test_a_space_worker_cannot_write_into_another_space(database: Database) -> None:
    mine, other = await make_account(database, ALICE), await make_account(database, BOB)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.space_tx(mine) as connection:
            await connection.execute(
                "INSERT INTO streams (id, space_id, kind, subject_id) VALUES ($1, $2, 'entry', $1)", new_id(), other
            )


async def test_an_error_takes_everything_back(database: Database) -> None:
    space = await make_account(database, ALICE)

    async def fail() -> None:
        async with database.tenant_tx(ALICE) as connection:
            await connection.execute("UPDATE spaces SET name = 'changed' WHERE id = $1", space)
            raise LookupError("no")

    with pytest.raises(LookupError):
        await fail()
    async with database.tenant_tx(ALICE) as connection:
        assert await connection.fetchval("SELECT name FROM spaces") == "alice"


async def test_a_swallowed_database_error_is_not_taken_for_a_commit(database: Database) -> None:
    """Postgres answers COMMIT of a failed transaction with ROLLBACK and no error; the caller would answer 201."""
    space = await make_account(database, ALICE)

    async def swallow() -> None:
        async with database.tenant_tx(ALICE) as connection:
            await connection.execute("UPDATE spaces SET name = 'changed' WHERE id = $1", space)
            with pytest.raises(asyncpg.PostgresError):
                await connection.execute("SELECT 1 / 0")

    with pytest.raises(NotCommitted):
        await swallow()


async def test_a_cancelled_begin_or_commit_leaves_no_transaction_to_the_next_one(database: Database) -> None:
    """The next user of the connection would otherwise run inside the former one's transaction, as that person."""
    space = await make_account(database, ALICE)
    for round_trips in range(14):

        async def rename() -> None:
            async with database.tenant_tx(ALICE) as connection:
                await connection.execute("UPDATE spaces SET name = 'x' WHERE id = $1", space)

        task = asyncio.create_task(rename())
        for _ in range(round_trips):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with database.service_tx() as connection:
            assert await who_and_what(connection) == ("maru_api", "")
            assert await connection.fetchval("SELECT pg_current_xact_id_if_assigned()") is None


async def test_a_cancelled_statement_frees_its_connection(database: Database, database_url: str) -> None:
    async def hang() -> None:
        async with database.service_tx() as connection:
            await connection.execute("SELECT pg_sleep(60)")

    task = asyncio.create_task(hang())
    watcher = await asyncpg.connect(database_url)
    try:
        await eventually(lambda: sleeping(watcher))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with asyncio.timeout(20), database.service_tx() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        await eventually(lambda: nobody_sleeping(watcher))
    finally:
        await watcher.close()


async def sleeping(watcher: asyncpg.Connection[Any]) -> bool:
    return bool(
        await watcher.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'"
            " AND datname = current_database()"
        )
    )


async def nobody_sleeping(watcher: asyncpg.Connection[Any]) -> bool:
    return not await sleeping(watcher)


async def test_a_connection_cut_in_the_middle_is_an_unavailable_database_and_the_next_one_works(
    database: Database, database_url: str
) -> None:
    space = await make_account(database, ALICE)

    async def be_cut() -> None:
        async with database.tenant_tx(ALICE) as connection:
            await connection.execute("UPDATE spaces SET name = 'changed' WHERE id = $1", space)
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            killer = await asyncpg.connect(database_url)
            await killer.execute("SELECT pg_terminate_backend($1, 5000)", pid)
            await killer.close()
            await connection.fetchval("SELECT 1")

    with pytest.raises(DatabaseAway):
        await be_cut()
    async with database.tenant_tx(ALICE) as connection:
        assert await connection.fetchval("SELECT name FROM spaces") == "alice"


async def test_no_database_at_all_is_a_problem_with_a_wait(tmp_path: Any) -> None:
    nowhere = Database(f"postgresql:///maru?host={tmp_path}")
    for attempt in range(2):
        with pytest.raises(DatabaseAway) as away:
            async with nowhere.service_tx():
                raise AssertionError(attempt)
        assert away.value.status == 503
        assert away.value.headers["Retry-After"]
    await nowhere.close()


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("SELECT $1::text", "a\x00b"),
        ("SELECT $1::text", "\ud800"),
        ("SELECT $1::jsonb", {"note": "a\x00b"}),
        ("SELECT $1::int", 2**40),
        ("SELECT $1::jsonb", float("nan")),
    ],
)
async def test_what_postgres_cannot_hold_is_the_callers_mistake_and_not_ours(
    database: Database, sql: str, value: object
) -> None:
    with pytest.raises(Unprocessable) as refused:
        async with database.service_tx() as connection:
            await connection.fetchval(sql, value)
    assert refused.value.code == "value_not_storable"
    assert "a\x00b" not in refused.value.detail


async def test_a_statement_over_its_time_limit_is_unavailable_not_broken(api_database_url: str) -> None:
    hurried = Database(api_database_url, statement_timeout_s=0.2)
    with pytest.raises(DatabaseAway):
        async with hurried.service_tx() as connection:
            await connection.execute("SELECT pg_sleep(30)")
    async with hurried.service_tx() as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await hurried.close()


async def test_a_full_pool_answers_unavailable_within_its_wait(api_database_url: str) -> None:
    narrow = Database(api_database_url, max_size=1, acquire_timeout_s=0.1)
    async with narrow.service_tx():
        with pytest.raises(DatabaseAway):
            async with narrow.service_tx():
                raise AssertionError("two connections from a pool of one")
    await narrow.close()


async def test_json_goes_in_and_out_as_python_values(database: Database) -> None:
    async with database.service_tx() as connection:
        assert await connection.fetchval("SELECT $1::jsonb", {"말": [1, None, "마루"]}) == {"말": [1, None, "마루"]}


async def test_through_a_transaction_pooler_no_statement_is_kept(api_database_url: str) -> None:
    pooled = Database(api_database_url, pooled=True)
    async with pooled.tenant_tx(ALICE) as connection:
        await connection.fetchval("SELECT $1::int", 1)
        assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") <= 1
    await pooled.close()


async def test_a_listener_hears_what_another_connection_notifies(database: Database) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with database.listener() as listener:
        await listener.add_listener("maru_test", lambda *arguments: heard.put_nowait(str(arguments[-1])))
        async with database.service_tx() as connection:
            await connection.execute("SELECT pg_notify('maru_test', 'hello')")
        async with asyncio.timeout(10):
            assert await heard.get() == "hello"


async def test_closing_waits_for_nobody_forever(api_database_url: str, database_urls: RoleUrls) -> None:
    assert database_urls.api == api_database_url
    database = Database(api_database_url)
    entered = asyncio.Event()

    async def hold() -> None:
        async with database.service_tx():
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await entered.wait()
    async with asyncio.timeout(10):
        await database.close()
    task.cancel()
    assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], BaseException)


def test_problems_of_the_database_are_problem_documents() -> None:
    for kind in (DatabaseAway, NotCommitted):
        assert issubclass(kind, Problem)
