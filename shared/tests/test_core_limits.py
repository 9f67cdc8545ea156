"""Rate limits: buckets that all instances share, and those of one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import asyncpg
import pytest
from shared.db import Database
from shared.errors import TooManyRequests
from shared.http import rate_store
from shared.http.ratelimit import Limit, RateLimiter

SLOW = Limit("sign-in", per_minute=1, burst=3)


@pytest.fixture
async def database(api_database_url: str) -> AsyncGenerator[Database]:
    database = Database(api_database_url, max_size=12)
    yield database
    await database.close()


async def passes(limiter: RateLimiter, limit: Limit, who: str, cost: float = 1) -> bool:
    try:
        await limiter.spend(limit, who, cost)
    except TooManyRequests:
        return False
    return True


async def test_a_burst_passes_then_nothing_and_the_wait_is_told(database: Database) -> None:
    limiter = RateLimiter(database)
    assert [await passes(limiter, SLOW, "alice") for _ in range(5)] == [True, True, True, False, False]
    with pytest.raises(TooManyRequests) as refused:
        await limiter.spend(SLOW, "alice")
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 60
    assert f"{refused.value.headers['Retry-After']} s" in refused.value.detail


async def test_buckets_belong_to_a_limit_and_to_somebody(database: Database) -> None:
    limiter = RateLimiter(database)
    for _ in range(3):
        await limiter.spend(SLOW, "alice")
    assert await passes(limiter, SLOW, "bob")
    assert await passes(limiter, Limit("sign-up", 1, 1), "alice")
    assert not await passes(limiter, SLOW, "alice")


async def test_at_the_same_time_and_from_two_instances_no_more_than_the_burst_passes(
    database: Database, api_database_url: str
) -> None:
    other = Database(api_database_url, max_size=12)
    limiters = [RateLimiter(database), RateLimiter(other)]
    passed = await asyncio.gather(*(passes(limiters[n % 2], SLOW, "alice") for n in range(30)))
    assert sum(passed) == 3
    await other.close()


async def test_a_bucket_fills_again_and_never_over_its_brim(database: Database, database_url: str) -> None:
    limiter = RateLimiter(database)
    for _ in range(3):
        await limiter.spend(SLOW, "alice")
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE maru.rate_buckets SET updated_at = updated_at - interval '61 seconds'")
    assert [await passes(limiter, SLOW, "alice") for _ in range(2)] == [True, False]
    await owner.execute("UPDATE maru.rate_buckets SET updated_at = updated_at - interval '1 hour'")
    assert [await passes(limiter, SLOW, "alice") for _ in range(4)] == [True, True, True, False]
    await owner.close()


async def test_what_costs_more_takes_more(database: Database) -> None:
    limiter = RateLimiter(database)
    assert await passes(limiter, SLOW, "alice", cost=2)
    assert not await passes(limiter, SLOW, "alice", cost=2)
    assert await passes(limiter, SLOW, "alice", cost=1)


async def test_switched_off_it_asks_nobody() -> None:
    limiter = RateLimiter(Database("postgresql:///nowhere?host=/nonexistent"), enabled=False)
    for _ in range(10):
        await limiter.spend(SLOW, "alice")
        limiter.spend_here(SLOW, "alice")


async def test_idle_buckets_are_forgotten(database: Database, database_url: str) -> None:
    limiter = RateLimiter(database)
    await limiter.spend(SLOW, "alice")
    await limiter.spend(SLOW, "bob")
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "UPDATE maru.rate_buckets SET updated_at = now() - interval '2 days' WHERE bucket LIKE '%alice'"
    )
    async with database.service_tx() as connection:
        await rate_store.forget_idle(connection)
    assert [row["bucket"] for row in await owner.fetch("SELECT bucket FROM maru.rate_buckets")] == ["sign-in:bob"]
    await owner.close()


def test_the_limit_of_one_process_needs_no_database() -> None:
    limiter = RateLimiter(Database("postgresql:///nowhere?host=/nonexistent"))
    for _ in range(3):
        limiter.spend_here(SLOW, "alice")
    with pytest.raises(TooManyRequests) as refused:
        limiter.spend_here(SLOW, "alice")
    assert 55 <= int(refused.value.headers["Retry-After"]) <= 60
    limiter.spend_here(SLOW, "bob")


def test_the_limit_of_one_process_remembers_only_so_many() -> None:
    limiter = RateLimiter(Database("postgresql:///nowhere?host=/nonexistent"))
    for number in range(10_050):
        limiter.spend_here(Limit("requests", 60, 1), f"person-{number}")
    with pytest.raises(TooManyRequests):
        limiter.spend_here(Limit("requests", 60, 1), "person-10049")
    limiter.spend_here(Limit("requests", 60, 1), "person-0")
