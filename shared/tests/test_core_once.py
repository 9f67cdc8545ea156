"""Once: the outbox row of a transaction, the inbox row of a delivery, the slot of an idempotency key; under repetition and at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from shared.db import Database, Principal
from shared.http.idempotency import IdempotencyKeyReused, OnceOnly, RequestStillRunning
from shared.ids import new_id
from shared.inbox import handle_once
from shared.outbox import RELAY_CHANNEL, NotifyRelay, emit_event, enqueue_task
from shared.testing import eventually

ALICE = Principal(new_id(), "alice@example.com")
BOB = Principal(new_id(), "bob@example.com")


@pytest.fixture
async def database(api_database_url: str) -> AsyncGenerator[Database]:
    database = Database(api_database_url, max_size=12)
    yield database
    await database.close()


async def outbox(database: Database) -> list[Any]:
    async with database.service_tx() as connection:
        return await connection.fetch("SELECT * FROM outbox ORDER BY seq")


async def test_a_fact_is_promised_with_its_change_or_not_at_all(database: Database) -> None:
    entry = new_id()
    async with database.tenant_tx(ALICE) as connection:
        event = await emit_event(connection, "entry.saved", entry, {"entry_id": str(entry)})

    async def fail() -> None:
        async with database.tenant_tx(ALICE) as connection:
            await emit_event(connection, "entry.saved", entry, {"entry_id": "lost"})
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    (row,) = await outbox(database)
    assert (row["id"], row["kind"], row["topic_or_queue"], row["key"]) == (event, "event", "entry.saved", str(entry))
    assert row["body"] == {"entry_id": str(entry)}
    assert row["attempts"] == 0
    assert row["claimed_until"] is None


async def test_a_command_of_one_name_is_promised_once_however_often_and_however_simultaneously(
    database: Database,
) -> None:
    async def promise(name: str) -> UUID:
        async with database.tenant_tx(ALICE) as connection:
            return await enqueue_task(connection, "index-entry", name, {"n": name})

    ids = await asyncio.gather(*(promise(f"entry-{number % 3}") for number in range(24)))
    assert len(set(ids)) == 3
    assert len(await outbox(database)) == 3


async def test_a_name_belongs_to_its_queue_and_a_time_is_kept(database: Database) -> None:
    later = datetime.now(UTC) + timedelta(days=40)
    async with database.space_tx(new_id()) as connection:
        await enqueue_task(connection, "index-entry", "one", {})
        await enqueue_task(connection, "forget-entry", "one", {}, later)
        await enqueue_task(connection, "forget-entry", "one", {})
    rows = await outbox(database)
    assert [row["topic_or_queue"] for row in rows] == ["index-entry", "forget-entry"]
    assert rows[1]["not_before"] == later


async def test_people_and_space_workers_can_promise_but_not_read_what_others_promised(database: Database) -> None:
    for transaction in (database.tenant_tx(ALICE), database.space_tx(new_id())):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with transaction as connection:
                await connection.fetch("SELECT body FROM outbox")


async def test_many_commits_wake_the_relay_with_few_notifications(database: Database) -> None:
    heard: list[object] = []
    relay = NotifyRelay(database)
    async with database.listener() as listener:
        await listener.add_listener(RELAY_CHANNEL, lambda *arguments: heard.append(arguments))
        for _ in range(50):
            await relay.after_commit()
        await eventually(lambda: heard)
        before = len(heard)
        await relay.after_commit()
        await eventually(lambda: len(heard) > before)
    assert before <= 3


async def test_a_steady_stream_of_commits_is_told_at_intervals_and_its_last_one_always(database: Database) -> None:
    heard: list[object] = []
    relay = NotifyRelay(database)
    loop = asyncio.get_running_loop()
    async with database.listener() as listener:
        await listener.add_listener(RELAY_CHANNEL, lambda *arguments: heard.append(arguments))
        started = loop.time()
        while loop.time() - started < 0.3:
            await relay.after_commit()
            await asyncio.sleep(0.001)
        before, elapsed = len(heard), loop.time() - started
        await relay.after_commit()
        await eventually(lambda: len(heard) > before)
    assert before <= elapsed / 0.025 + 2


async def test_a_relay_that_cannot_be_woken_is_no_failure_of_the_request(tmp_path: Any) -> None:
    relay = NotifyRelay(Database(f"postgresql:///x?host={tmp_path}"))
    await relay.after_commit()
    await eventually(lambda: len([task for task in asyncio.all_tasks() if task.get_name() == "outbox-notify"]) == 0)


async def test_a_message_is_handled_once_for_each_consumer(database: Database) -> None:
    handled: list[str] = []
    for consumer in ("ingest", "ingest", "inference", "ingest"):
        async with database.service_tx() as connection, handle_once(connection, consumer, "message-1") as fresh:
            if fresh:
                handled.append(consumer)
    assert handled == ["ingest", "inference"]


async def test_deliveries_at_the_same_time_have_one_effect(database: Database) -> None:
    effects: list[int] = []

    async def deliver(number: int) -> None:
        async with database.service_tx() as connection, handle_once(connection, "ingest", "message-1") as fresh:
            if fresh:
                await connection.execute("SELECT pg_sleep(0.05)")
                effects.append(number)

    await asyncio.gather(*(deliver(number) for number in range(10)))
    assert len(effects) == 1


async def test_an_effect_that_failed_is_done_by_the_next_delivery(database: Database) -> None:
    async def deliver(fails: bool) -> bool:
        async with database.service_tx() as connection, handle_once(connection, "ingest", "message-1") as fresh:
            await emit_event(connection, "entry.saved", "x", {})
            if fails:
                raise LookupError
        return fresh

    with pytest.raises(LookupError):
        await deliver(fails=True)
    assert await outbox(database) == []
    assert await deliver(fails=False)
    assert not await deliver(fails=False)


async def test_a_waiting_delivery_takes_over_when_the_first_one_fails(database: Database) -> None:
    first_is_in, first_may_fail = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.service_tx() as connection, handle_once(connection, "ingest", "message-1") as fresh:
            assert fresh
            first_is_in.set()
            await first_may_fail.wait()
            raise LookupError

    async def second() -> bool:
        async with database.service_tx() as connection, handle_once(connection, "ingest", "message-1") as fresh:
            return fresh

    failing = asyncio.create_task(first())
    await first_is_in.wait()
    waiting = asyncio.create_task(second())
    first_may_fail.set()
    with pytest.raises(LookupError):
        await failing
    assert await waiting


async def create(
    database: Database, principal: Principal, key: str | None, body: object, *, pause_s: float = 0
) -> dict[str, Any]:
    """What a route that creates does."""
    async with database.tenant_tx(principal) as connection:
        once = OnceOnly(connection, principal.user_id, key, ("things", body))
        if (kept := await once.recall()) is not None:
            return kept
        made = new_id()
        await emit_event(connection, "thing.made", made, {})
        await connection.execute("SELECT pg_sleep($1)", pause_s)
        response = {"id": str(made), "글": "마루"}
        await once.remember(response)
        return response


async def test_the_same_request_again_gets_the_first_answer(database: Database) -> None:
    first = await create(database, ALICE, "key-1", {"a": 1, "b": 2})
    assert await create(database, ALICE, "key-1", {"b": 2, "a": 1}) == first
    assert len(await outbox(database)) == 1


async def test_requests_at_the_same_time_have_one_effect_and_one_answer(database: Database) -> None:
    answers = await asyncio.gather(*(create(database, ALICE, "key-1", "x", pause_s=0.05) for _ in range(10)))
    assert len({answer["id"] for answer in answers}) == 1
    assert len(await outbox(database)) == 1


async def test_a_key_is_one_persons_and_one_requests(database: Database) -> None:
    first = await create(database, ALICE, "key-1", "x")
    assert await create(database, BOB, "key-1", "x") != first
    with pytest.raises(IdempotencyKeyReused):
        await create(database, ALICE, "key-1", "y")
    assert await create(database, ALICE, "key-2", "x") != first


async def test_without_a_key_every_request_counts(database: Database) -> None:
    assert await create(database, ALICE, None, "x") != await create(database, ALICE, None, "x")


async def test_a_failed_request_gives_its_key_back(database: Database) -> None:
    async def fail() -> None:
        async with database.tenant_tx(ALICE) as connection:
            assert await OnceOnly(connection, ALICE.user_id, "key-1", ("things", "x")).recall() is None
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert (await create(database, ALICE, "key-1", "x"))["글"] == "마루"


async def test_a_key_without_an_answer_is_not_taken_for_one(database: Database) -> None:
    async with database.tenant_tx(ALICE) as connection:
        await OnceOnly(connection, ALICE.user_id, "key-1", ("things", "x")).recall()
    with pytest.raises(RequestStillRunning):
        await create(database, ALICE, "key-1", "x")


async def test_a_key_is_free_again_after_a_day_and_then_forgotten(database: Database, database_url: str) -> None:
    first = await create(database, ALICE, "key-1", "x")
    await create(database, ALICE, "key-2", "x")
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE maru.idempotency_keys SET created_at = now() - interval '25 hours'")
    assert await create(database, ALICE, "key-1", "y") != first
    async with database.service_tx() as connection:
        await connection.execute("SELECT forget_old_requests()")
    assert await owner.fetchval("SELECT array_agg(key) FROM maru.idempotency_keys") == ["key-1"]
    await owner.close()


async def test_nobody_reads_another_persons_keys(database: Database) -> None:
    await create(database, ALICE, "key-1", "x")
    async with database.tenant_tx(BOB) as connection:
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_handled_messages_are_forgotten_after_a_month_and_unhandled_ones_never(
    database: Database, database_url: str
) -> None:
    for message in ("old", "new"):
        async with database.service_tx() as connection, handle_once(connection, "ingest", message):
            pass
    owner = await asyncpg.connect(database_url)
    await owner.execute("INSERT INTO maru.inbox (consumer, message_id) VALUES ('ingest', 'unhandled')")
    await owner.execute("UPDATE maru.inbox SET received_at = now() - interval '32 days' WHERE message_id <> 'new'")
    async with database.service_tx() as connection:
        await connection.execute("SELECT forget_old_requests()")
    kept = await owner.fetch("SELECT message_id FROM maru.inbox ORDER BY message_id")
    assert [row["message_id"] for row in kept] == ["new", "unhandled"]
    await owner.close()
