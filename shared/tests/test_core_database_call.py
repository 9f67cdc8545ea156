"""A hot read through a function: as narrow as a transaction, and nothing of it stays behind."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from shared.db import Database
from shared.errors import Problem
from shared.ids import new_id


@pytest.fixture
async def database(api_database_url: str) -> AsyncGenerator[Database]:
    database = Database(api_database_url, max_size=1)
    yield database
    await database.close()


async def test_the_role_that_a_function_takes_on_ends_with_the_call(database: Database) -> None:
    assert await database.call("read_entry", new_id(), new_id()) is None
    async with database.service_tx() as connection:
        assert await connection.fetchval("SELECT current_user") == "maru_api"
        assert not await connection.fetchval("SELECT current_setting('request.jwt.claims', true)")


async def test_only_the_login_role_may_read_as_anybody(database: Database) -> None:
    from shared.db import Principal

    with pytest.raises(Exception, match="permission denied"):
        async with database.tenant_tx(Principal(new_id())) as connection:
            await connection.fetchval("SELECT read_entry($1, $2)", new_id(), new_id())


@pytest.mark.parametrize("name", ["read_entry(); --", "a.b", "", "1x"])
async def test_only_a_name_is_called(database: Database, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        await database.call(name)


async def test_a_database_that_is_away_is_a_problem_with_a_code() -> None:
    away = Database("postgresql://maru_api@/nowhere?host=/tmp/no-such-folder", acquire_timeout_s=1)
    with pytest.raises(Problem) as problem:
        await away.call("read_entry", new_id(), new_id())
    assert problem.value.code == "database_unavailable"
