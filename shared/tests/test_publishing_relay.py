"""The outbox in the cloud: published before the request answers, in order, once where that can be had."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared.db import Database
from shared.deliveries import ROUTES, TOPICS
from shared.publishing import outbox_store
from shared.publishing.cloud_tasks import task_name
from shared.publishing.port import End, Outcome, Promise
from shared.publishing.pubsub import batches
from shared.testing.google_peer import GooglePeer, provision
from shared.testing.publishing import ACCOUNT, SERVICES, emit, enqueue, first_seen, outbox, relay_of


@pytest.fixture
async def database(ingest_database_url: str) -> AsyncGenerator[Database]:
    database = Database(ingest_database_url)
    yield database
    await database.close()


@pytest.fixture
def peer(google_peer: GooglePeer) -> GooglePeer:
    """With everything that deployment makes, except somebody who listens."""
    provision(google_peer, [route for route in ROUTES if route.kind == "task"], SERVICES, ACCOUNT, topics=TOPICS)
    return google_peer


async def test_a_fact_is_with_pub_sub_when_the_request_answers(database: Database, peer: GooglePeer) -> None:
    relay = relay_of(database, peer)
    event_id = await emit(database, "key", "task.finished", status="done", file_results=True, text="마루")
    await relay.after_commit()
    (message,) = peer.pubsub.published
    assert message.topic == "projects/maru-test/topics/task.finished"
    assert message.key == "key"
    assert json.loads(message.data) == {"status": "done", "file_results": True, "text": "마루"}
    assert message.attributes == {
        "topic": "task.finished",
        "event_id": str(event_id),
        "key": "key",
        "status": "done",
        "file_results": "true",
    }
    assert await outbox(database) == []
    await relay.close()


async def test_a_command_is_a_task_with_everything_the_route_says(database: Database, peer: GooglePeer) -> None:
    relay = relay_of(database, peer)
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(days=29)
    task_id = await enqueue(database, "one", not_before=moment)
    await relay.after_commit()
    (task,) = peer.tasks.waiting()
    name = task_name(Promise(task_id, "task", "index-entry", None, "{}", None, 1))
    assert task.name == f"projects/maru-test/locations/asia-northeast3/queues/index-entry/tasks/{name}"
    assert task.http_request.url == "https://ingest.example/internal/tasks/index-entry"
    assert json.loads(task.http_request.body) == {"name": "one"}
    assert task.http_request.oidc_token.service_account_email == ACCOUNT
    assert task.http_request.oidc_token.audience == "https://ingest.example"
    assert task.schedule_time == moment
    assert task.dispatch_deadline == timedelta(seconds=600)
    await relay.close()


async def test_what_is_further_off_than_google_plans_waits_here(database: Database, peer: GooglePeer) -> None:
    relay = relay_of(database, peer)
    await enqueue(database, "next year", not_before=datetime.now(UTC) + timedelta(days=365))
    await enqueue(database, "in a month", not_before=datetime.now(UTC) + timedelta(days=30, seconds=5))
    assert await relay.drain() == 0
    assert [row["attempts"] for row in await outbox(database)] == [0, 0]
    assert peer.calls["CreateTask"] == 0
    await relay.close()


async def test_requests_at_once_share_requests_to_google_and_each_waits_for_its_own(
    database: Database, peer: GooglePeer
) -> None:
    relay = relay_of(database, peer)

    async def request(number: int) -> None:
        event_id = await emit(database, f"k{number % 5}", n=number)
        await relay.after_commit()
        assert str(event_id) in {message.attributes["event_id"] for message in peer.pubsub.published}

    await asyncio.gather(*(request(number) for number in range(60)))
    assert len(peer.pubsub.published) == 60
    assert peer.calls["Publish"] < 60
    assert await outbox(database) == []
    await relay.close()


async def test_several_instances_at_once_publish_each_once_and_keep_every_keys_order(
    database: Database, peer: GooglePeer
) -> None:
    relays = [relay_of(database, peer) for _ in range(3)]
    order: dict[str, list[str]] = {f"k{key}": [] for key in range(4)}
    locks = {key: asyncio.Lock() for key in order}

    async def instance(number: int) -> None:
        for step in range(25):
            key = f"k{(number + step) % 4}"
            # Writers hold a lock on what the key names.
            async with locks[key]:
                order[key].append(str(await emit(database, key, n=step)))
            await relays[number].after_commit()

    await asyncio.gather(*(instance(number) for number in range(3)))
    assert first_seen(peer) == order
    assert len(peer.pubsub.published) == 75
    for relay in relays:
        await relay.close()


async def test_a_process_that_ends_publishes_its_last_rows_first(database: Database, peer: GooglePeer) -> None:
    relay = relay_of(database, peer)
    await emit(database, "k", n=1)
    await relay.close()
    assert len(peer.pubsub.published) == 1
    await emit(database, "k", n=2)
    await relay.after_commit()
    assert len(peer.pubsub.published) == 1


async def test_thousands_of_rows_go_in_few_requests(database: Database, peer: GooglePeer) -> None:
    async with database.service_tx() as connection:
        await connection.execute(
            """
            INSERT INTO outbox (id, kind, topic_or_queue, key, body)
            SELECT gen_random_uuid(), 'event', 'entry.saved', 'k' || n % 10, jsonb_build_object('n', n) FROM generate_series(1, 1200) n
            """
        )
    relay = relay_of(database, peer)
    assert await relay.drain() == 1200
    assert peer.calls["Publish"] <= 3
    numbers = [json.loads(message.data)["n"] for message in peer.pubsub.published if message.key == "k3"]
    assert numbers == sorted(numbers)
    await relay.close()


def promise(size: int, key: str = "k") -> Promise:
    return Promise(uuid4(), "event", "entry.saved", key, "x" * size, None, 1)


@given(st.lists(st.integers(0, 400), max_size=30), st.integers(1, 6), st.integers(600, 3000))
def test_batches_keep_order_and_limits(sizes: list[int], at_once: int, most_bytes: int) -> None:
    promises = [promise(size) for size in sizes]
    made = list(batches(promises, at_once, most_bytes))
    assert [one for batch in made for one in batch] == promises
    assert all(0 < len(batch) <= at_once for batch in made)
    assert all(len(batch) == 1 or sum(len(one.body) for one in batch) <= most_bytes for batch in made)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.sampled_from("abc")),
        st.tuples(st.just("claim"), st.integers(1, 4)),
        st.tuples(st.just("settle"), st.lists(st.sampled_from([End.CARRIED, End.AGAIN, End.HELD]), min_size=4, max_size=4)),
        st.tuples(st.just("wait"), st.just(None)),
    ),
    max_size=25,
)  # fmt: skip


@given(steps=STEPS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nobody_ever_claims_a_message_before_an_older_one_of_its_key(
    ingest_database_url: str, steps: list[tuple[str, object]]
) -> None:
    """Whatever claimants do, and whenever leases end: a claim that holds a message holds every older one of its key that is left."""
    asyncio.run(_play(ingest_database_url, steps))


async def _play(dsn: str, steps: list[tuple[str, object]]) -> None:
    database = Database(dsn, max_size=1)
    held: list[list[Promise]] = []
    try:
        async with database.service_tx() as connection:
            await connection.execute("DELETE FROM outbox")
        for step, value in steps:
            match step:
                case "emit":
                    await emit(database, str(value))
                case "claim":
                    async with database.service_tx() as connection:
                        before = await connection.fetch("SELECT id, key FROM outbox ORDER BY seq")
                        await outbox_store.take_turn(connection)
                        got = await outbox_store.claim(connection, int(str(value)), 60)
                    for key in {one.key for one in got}:
                        waiting = [row["id"] for row in before if row["key"] == key]
                        mine = [one.id for one in got if one.key == key]
                        assert mine == waiting[: len(mine)]
                    held.append(got)
                case "settle" if held:
                    ends = list(value) if isinstance(value, list) else []
                    async with database.service_tx() as connection:
                        await outbox_store.take_turn(connection)
                        await outbox_store.settle(connection, _in_order(held.pop(0), ends))
                case "wait":
                    async with database.service_tx() as connection:
                        await connection.execute(
                            "UPDATE outbox SET next_attempt_at = now() - interval '1 s', claimed_until = now() - interval '1 s'"
                        )
    finally:
        await database.close()


def _in_order(promises: list[Promise], ends: list[End]) -> list[Outcome]:
    """Outcomes as a carrier gives them: behind one of its key that failed nothing is carried."""
    outcomes: list[Outcome] = []
    stuck: set[str | None] = set()
    for one, end in zip(promises, ends, strict=False):
        outcomes.append(Outcome(one, End.HELD if one.key in stuck else end, "because"))
        if end is not End.CARRIED:
            stuck.add(one.key)
    return outcomes
