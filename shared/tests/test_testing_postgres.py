"""The database that every other test stands on."""

import asyncpg
import pytest
from shared.testing import eventually
from shared.testing.postgres import RoleUrls, SharedPostgres


async def test_each_role_reaches_the_migrated_database_as_itself(database_urls: RoleUrls) -> None:
    for role, url in (
        ("maru_api", database_urls.api),
        ("maru_ingest", database_urls.ingest),
        ("maru_inference", database_urls.inference),
    ):
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("SELECT current_user") == role
            assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        finally:
            await connection.close()


async def test_tests_do_not_see_each_other(shared_postgres: SharedPostgres) -> None:
    with shared_postgres.database() as first, shared_postgres.database() as second:
        one, two = await asyncpg.connect(first.superuser), await asyncpg.connect(second.superuser)
        try:
            await one.execute("CREATE TABLE mine (x int)")
            assert await two.fetchval("SELECT to_regclass('mine')") is None
        finally:
            await one.close()
            await two.close()


async def test_a_database_goes_even_while_somebody_is_connected(shared_postgres: SharedPostgres) -> None:
    with shared_postgres.database() as urls:
        left_open = await asyncpg.connect(urls.superuser)

    async def gone() -> bool:
        try:
            await (await asyncpg.connect(urls.superuser)).close()
        except asyncpg.InvalidCatalogNameError:
            return True
        return False

    await eventually(gone)
    left_open.terminate()


async def test_eventually_returns_the_first_truthy_answer() -> None:
    answers = iter([0, None, "", "here"])
    assert await eventually(lambda: next(answers)) == "here"


async def test_eventually_takes_a_failed_assertion_for_not_yet() -> None:
    seen: list[int] = []

    async def third_time() -> bool:
        seen.append(1)
        assert len(seen) == 3
        return True

    assert await eventually(third_time)


async def test_eventually_says_what_it_last_saw() -> None:
    with pytest.raises(AssertionError, match="still 0 after"):
        await eventually(lambda: 0, within=0.05)
