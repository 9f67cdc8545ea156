"""What goes wrong between the outbox and Google loses nothing, hides nothing, and changes no order."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
from shared.db import Database
from shared.deliveries import ROUTES, TOPICS
from shared.outbox import enqueue_task
from shared.publishing import MessagingSettings
from shared.publishing.outbox_store import TURN
from shared.settings import SettingMissing
from shared.testing import eventually
from shared.testing.google_peer import GooglePeer, provision
from shared.testing.postgres import RoleUrls
from shared.testing.publishing import (
    ACCOUNT,
    ENV,
    SERVICES,
    emit,
    enqueue,
    first_seen,
    letters,
    outbox,
    relay_of,
    time_passes,
)

TOPIC = "projects/maru-test/topics/entry.saved"


@pytest.fixture
async def database(ingest_database_url: str) -> AsyncGenerator[Database]:
    database = Database(ingest_database_url)
    yield database
    await database.close()


@pytest.fixture
async def owner(database_url: str) -> AsyncGenerator[Database]:
    database = Database(database_url, max_size=2)
    yield database
    await database.close()


@pytest.fixture
def peer(google_peer: GooglePeer) -> GooglePeer:
    """With everything that deployment makes; nobody answers the pushes."""
    provision(google_peer, [route for route in ROUTES if route.kind == "task"], SERVICES, ACCOUNT, topics=TOPICS)
    return google_peer


async def test_one_message_that_can_never_be_published_is_set_aside_and_takes_no_other_along(
    database: Database, owner: Database, peer: GooglePeer, caplog: pytest.LogCaptureFixture
) -> None:
    relay = relay_of(database, peer)
    wanted = [await emit(database, "a", n=1)]
    await emit(database, "a", n=2, text="x" * 10_000_000)
    wanted.append(await emit(database, "a", n=3))
    await emit(database, "k" * 1025, n=4)
    wanted += [await emit(database, "b", n=n) for n in range(5)]
    with caplog.at_level(logging.ERROR):
        await relay.after_commit()
    assert [one.attributes["event_id"] for one in peer.pubsub.published if one.key == "a"] == [
        str(one) for one in wanted[:2]
    ]
    assert {one.attributes["event_id"] for one in peer.pubsub.published} == {str(one) for one in wanted}
    assert await outbox(database) == []
    large, long_key = await letters(owner)
    assert (large["kind"], large["destination"], large["key"]) == ("publish", "entry.saved", "a")
    assert large["cause"].startswith("INVALID_ARGUMENT: ")
    assert long_key["key"] == "k" * 1025
    assert "is set aside: INVALID_ARGUMENT" in caplog.text
    await relay.close()


async def test_a_task_that_is_too_large_is_set_aside_with_its_cause(
    database: Database, owner: Database, peer: GooglePeer
) -> None:
    relay = relay_of(database, peer)
    async with database.service_tx() as connection:
        await enqueue_task(connection, "index-entry", "large", {"text": "x" * 1024 * 1024})
    await enqueue(database, "small", not_before=None)
    await relay.after_commit()
    (letter,) = await letters(owner)
    assert (letter["kind"], letter["destination"]) == ("task", "index-entry")
    assert letter["cause"] == "INVALID_ARGUMENT: Task size too large: 1 MB at most."
    assert await outbox(database) == []
    assert peer.calls["CreateTask"] == 2
    await relay.close()


async def test_a_missing_topic_is_said_aloud_and_made_good_by_making_it(
    database: Database, owner: Database, google_peer: GooglePeer, caplog: pytest.LogCaptureFixture
) -> None:
    relay = relay_of(database, google_peer)
    first, second = await emit(database, "k", n=1), await emit(database, "k", n=2)
    with caplog.at_level(logging.ERROR):
        await relay.after_commit()
        assert await relay.drain() == 0
    rows = await outbox(database)
    assert [(row["attempts"], row["claimed"]) for row in rows] == [(1, False), (1, False)]
    assert rows[0]["last_error"] == "NOT_FOUND: Resource not found (resource=entry.saved)."
    assert "entry.saved: 2 could not be published: NOT_FOUND" in caplog.text
    assert await letters(owner) == []
    provision(google_peer, [], SERVICES, ACCOUNT, topics=["entry.saved"])
    await time_passes(owner)
    assert await relay.drain() == 2
    assert first_seen(google_peer)["k"] == [str(first), str(second)]
    await relay.close()


@pytest.mark.parametrize(
    "status", ["PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "CANCELLED", "UNKNOWN"]
)
async def test_what_may_pass_is_tried_again_and_holds_back_its_key_alone(
    database: Database, owner: Database, peer: GooglePeer, status: str
) -> None:
    relay = relay_of(database, peer)
    peer.fault("Publish", status=status)
    first = await emit(database, "k", n=1)
    await relay.after_commit()
    assert peer.pubsub.published == []
    second, other = await emit(database, "k", n=2), await emit(database, "other", n=3)
    await relay.after_commit()
    assert first_seen(peer) == {"other": [str(other)]}
    assert [row["attempts"] for row in await outbox(database)] == [1, 0]
    await time_passes(owner)
    assert await relay.drain() == 2
    assert first_seen(peer)["k"] == [str(first), str(second)]
    assert await letters(owner) == []
    await relay.close()


async def test_what_does_not_fit_one_request_does_not_overtake_the_request_that_failed(
    database: Database, owner: Database, peer: GooglePeer
) -> None:
    relay = relay_of(database, peer)
    peer.fault("Publish", status="CANCELLED")
    facts = [await emit(database, "k", n=n, text="x" * 6_000_000) for n in range(2)]
    other = await emit(database, "other", n=2)
    await relay.after_commit()
    assert first_seen(peer) == {"other": [str(other)]}
    assert [row["attempts"] for row in await outbox(database)] == [1, 0]
    await time_passes(owner)
    assert await relay.drain() == 2
    assert first_seen(peer)["k"] == [str(one) for one in facts]
    await relay.close()


async def test_an_answer_that_is_lost_is_a_message_twice_and_an_effect_once(
    database: Database, peer: GooglePeer
) -> None:
    relay = relay_of(database, peer)
    peer.fault("Publish", lost=True)
    peer.fault("CreateTask", lost=True)
    fact = await emit(database, "k", n=1)
    await enqueue(database, "one")
    await relay.after_commit()
    assert [one.attributes["event_id"] for one in peer.pubsub.published] == [str(fact)] * 2
    assert len({one.id for one in peer.pubsub.published}) == 2
    assert peer.calls["CreateTask"] == 2
    assert len(peer.tasks.waiting()) + len(peer.tasks.calls) >= 1
    assert len({task.name for task in peer.tasks.waiting()}) <= 1
    assert await outbox(database) == []
    await relay.close()


async def test_while_google_is_away_everything_is_kept_and_the_sweep_publishes_it(
    database: Database, owner: Database, peer: GooglePeer
) -> None:
    relay = relay_of(database, peer, publish_s=0.5)
    peer.away()
    facts = [await emit(database, f"k{n % 3}", n=n) for n in range(9)]
    await enqueue(database, "one")
    await relay.after_commit()
    assert len(await outbox(database)) == 10
    peer.back()

    async def drained() -> bool:
        await time_passes(owner)
        await relay.drain()
        return await outbox(database) == []

    await eventually(drained, within=30)
    assert first_seen(peer) == {f"k{key}": [str(one) for one in facts[key::3]] for key in range(3)}
    await relay.close()


async def test_while_google_is_away_requests_do_not_wait_for_it_one_after_the_other(
    database: Database, owner: Database, peer: GooglePeer
) -> None:
    relay = relay_of(database, peer, publish_s=0.5)
    peer.away()
    facts = []
    for number in range(3):
        facts.append(await emit(database, "k" + str(number), n=number))
        await relay.after_commit()
    # The first has found out; nobody has even tried the others.
    rows = await outbox(database)
    assert [row["attempts"] for row in rows] == [1, 0, 0]
    assert rows[0]["last_error"].startswith("UNAVAILABLE: ")
    peer.back()

    async def drained() -> bool:
        await time_passes(owner)
        return await relay.drain() == 3

    await eventually(drained, within=30)
    await emit(database, "k", n=4)
    await relay.after_commit()
    assert len(peer.pubsub.published) == 4
    await relay.close()


async def test_a_request_does_not_wait_longer_than_its_patience(
    database: Database, owner: Database, peer: GooglePeer, caplog: pytest.LogCaptureFixture
) -> None:
    relay = relay_of(database, peer, patience_s=0.1, publish_s=1.0)
    peer.fault("Publish", stall_s=600)
    await emit(database, "k", n=1)
    await asyncio.wait_for(relay.after_commit(), 30)
    assert peer.pubsub.published == []
    assert "publishing takes longer than a request waits" in caplog.text

    async def given_back() -> bool:
        return not (await outbox(database))[0]["claimed"]

    await eventually(given_back)
    await time_passes(owner)
    assert await relay.drain() == 1
    await relay.close()


async def test_a_database_that_is_away_fails_no_request_that_has_committed(tmp_path: Path, peer: GooglePeer) -> None:
    relay = relay_of(Database(f"postgresql:///x?host={tmp_path}"), peer)
    await relay.after_commit()
    await relay.close()


_CHILD = """
import asyncio, json, sys
from types import SimpleNamespace
from shared.testing.publishing import relay_of
from shared.db import Database

async def main():
    peer = SimpleNamespace(env=json.loads(sys.argv[2]))
    relay = relay_of(Database(sys.argv[1]), peer, lease_s=1.0)
    await relay.drain()

asyncio.run(main())
"""


async def test_a_process_that_is_killed_between_publishing_and_saying_so_loses_nothing_and_doubles_no_effect(
    database: Database, database_urls: RoleUrls, peer: GooglePeer
) -> None:
    facts = [await emit(database, "k", n=n) for n in range(3)]
    peer.fault("Publish", stall_s=0.5)
    lock = await asyncpg.connect(database_urls.superuser)
    child = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", _CHILD, database_urls.ingest, json.dumps(peer.env)]
    )
    try:
        await eventually(lambda: peer.calls["Publish"], within=30)
        # It has claimed, and can say nothing more while somebody else has the turn.
        await lock.execute("SELECT pg_advisory_lock($1)", TURN)
        await eventually(lambda: peer.pubsub.published)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
        await lock.close()
    later = await emit(database, "k", n=3)
    relay = relay_of(database, peer)

    async def published() -> bool:
        await relay.drain()
        return await outbox(database) == []

    await eventually(published)
    ids = [one.attributes["event_id"] for one in peer.pubsub.published]
    assert ids == [str(one) for one in (*facts, *facts, later)]
    await relay.close()


def test_the_settings_say_what_is_missing() -> None:
    assert MessagingSettings.from_env({}) is None
    for change, words in (
        ({"PUSH_SERVICE_ACCOUNT": ""}, "PUSH_SERVICE_ACCOUNT is not set: tasks are called in its name"),
        ({"MARU_INGEST_URL": ""}, "MARU_INGEST_URL is not set"),
        ({"GOOGLE_CLOUD_PROJECT": "my project"}, "GOOGLE_CLOUD_PROJECT is 'my project'"),
        ({"GOOGLE_CLOUD_REGION": "seoul"}, "GOOGLE_CLOUD_REGION is 'seoul'"),
        ({"PUSH_AUTH_MODE": "local"}, "Google will call back"),
    ):
        with pytest.raises(SettingMissing, match=words):
            MessagingSettings.from_env(ENV | change)
