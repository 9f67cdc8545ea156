"""A deliverer that dies, stalls, is doubled or loses its database loses no message."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import asyncpg
from maru.deliverer import Deliverer
from maru.deliverer.queue import Outcome, backlog, claim, finish, move, take_back
from maru.runtime.secrets import LocalSecrets
from receiver import Answer, Received, receiving
from shared.db import Database
from shared.deliveries import queue, subscription
from shared.outbox import emit_event, enqueue_task
from shared.testing import eventually
from shared.testing.postgres import RoleUrls

Delivering = Callable[..., AbstractAsyncContextManager[Deliverer]]

SAVED = subscription("entry.saved", "ingest")
INDEX = queue("index-entry", "ingest", concurrency=8, deadline_s=600, max_attempts=5)

_CHILD = """
import asyncio, sys
from maru.deliverer import Deliverer, HttpCaller, TokenSigner
from shared.deliveries import queue, subscription
from shared.db import Database

async def main(dsn, base, key):
    routes = (subscription("entry.saved", "ingest"), queue("index-entry", "ingest", concurrency=8, deadline_s=600, max_attempts=5))
    await Deliverer(Database(dsn), routes, {"ingest": base}, HttpCaller(), TokenSigner(key)).start()
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def child(urls: RoleUrls, base: str, secrets: LocalSecrets) -> subprocess.Popen[bytes]:
    """A deliverer in a process of its own."""
    dsn = urls.superuser.replace("postgres@", "maru_deliverer@")
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, dsn, base, secrets.callback_private_key], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


async def fill(producer: Database, number: int) -> None:
    for start in range(0, number, 20):
        async with producer.service_tx() as connection:
            for index in range(start, start + 20):
                await emit_event(connection, "entry.saved", f"k{index % 7}", {"n": index})
                await enqueue_task(connection, "index-entry", str(index), {"n": index})


async def test_nothing_is_lost_when_deliverers_are_killed_again_and_again(
    producer: Database, database_urls: RoleUrls, secrets: LocalSecrets
) -> None:
    async def slow(_: Received) -> Answer:
        await asyncio.sleep(0.01)
        return 204

    async with receiving(slow) as receiver:
        await fill(producer, 200)
        for kill in range(4):
            process = await asyncio.to_thread(child, database_urls, receiver.base, secrets)
            seen = len(receiver.calls)
            await eventually(lambda: len(receiver.calls) > seen + 20 * kill)  # noqa: B023 - awaited at once
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        process = await asyncio.to_thread(child, database_urls, receiver.base, secrets)
        try:
            await eventually(lambda: empty(producer, database_urls), within=30)
        finally:
            process.kill()
            process.wait()
    facts = [call.body["n"] for call in receiver.calls if "push" in call.path]
    commands = Counter(call.body["n"] for call in receiver.calls if "tasks" in call.path)
    assert set(facts) == set(commands) == set(range(200))
    # Order within a key: what was first seen was first written, however often it came again.
    first_seen = list(dict.fromkeys(facts))
    for key in range(7):
        of_key = [number for number in first_seen if number % 7 == key]
        assert of_key == sorted(of_key)


async def empty(producer: Database, urls: RoleUrls) -> bool:
    connection = await asyncpg.connect(urls.superuser)
    try:
        return (
            await connection.fetchval(
                "SELECT (SELECT count(*) FROM maru.outbox) + (SELECT count(*) FROM local.deliveries)"
            )
            == 0
        )
    finally:
        await connection.close()


async def test_two_deliverers_share_the_work_without_doubling_it(producer: Database, delivering: Delivering) -> None:
    async def slow(_: Received) -> Answer:
        await asyncio.sleep(0.005)
        return 204

    async with (
        receiving(slow) as receiver,
        delivering(receiver, SAVED, INDEX) as one,
        delivering(receiver, SAVED, INDEX) as two,
    ):
        await fill(producer, 100)
        one.wake()
        two.wake()
        await eventually(lambda: len(receiver.calls) >= 200, within=30)
        await asyncio.sleep(0.2)
    assert len(receiver.calls) == 200
    for key in range(7):
        of_key = [call.body["n"] for call in receiver.calls if "push" in call.path and call.body["n"] % 7 == key]
        assert of_key == sorted(of_key)


async def test_a_late_outcome_of_an_earlier_attempt_changes_nothing(
    producer: Database, deliverer_database: Database
) -> None:
    async with producer.service_tx() as connection:
        await enqueue_task(connection, "index-entry", "one", {})
    async with deliverer_database.service_tx() as connection:
        await move(connection, [INDEX], 10)
        (first,) = await claim(connection, 1, [(INDEX, 1)])
    async with deliverer_database.service_tx() as connection:
        assert await take_back(connection) == 1
        (second,) = await claim(connection, 2, [(INDEX, 1)])
        await finish(connection, [Outcome(first), Outcome(first, "late", None)])
        assert (await backlog(connection))["waiting"] == 1
        await finish(connection, [Outcome(second)])
        assert (await backlog(connection)) == {"outbox": 0, "waiting": 0, "dead": 0}


async def test_a_living_deliverers_claims_are_left_alone(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    released = asyncio.Event()

    async def wait(_: Received) -> Answer:
        await released.wait()
        return 204

    async with receiving(wait) as receiver, delivering(receiver, INDEX) as deliverer:
        async with producer.service_tx() as connection:
            await enqueue_task(connection, "index-entry", "one", {})
        deliverer.wake()
        await eventually(lambda: receiver.calls)
        async with deliverer_database.service_tx() as connection:
            assert await take_back(connection) == 0
        released.set()
        await eventually(lambda: gone(deliverer_database))


async def gone(database: Database) -> bool:
    async with database.service_tx() as connection:
        return (await backlog(connection))["waiting"] == 0


async def test_it_delivers_again_after_its_connections_were_cut(
    producer: Database, delivering: Delivering, shared_postgres: object, database_urls: RoleUrls
) -> None:
    async with receiving() as receiver, delivering(receiver, SAVED) as deliverer:
        admin = await asyncpg.connect(database_urls.superuser)
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'maru_deliverer' AND datname = current_database()"
            )
        finally:
            await admin.close()
        async with producer.service_tx() as connection:
            await emit_event(connection, "entry.saved", "k", {})
        deliverer.wake()
        await eventually(lambda: receiver.calls, within=15)


async def test_a_stop_gives_back_what_was_under_way_without_counting_the_attempt(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    async def never(_: Received) -> Answer:
        await asyncio.Event().wait()
        return 204

    async with receiving(never) as receiver, delivering(receiver, INDEX) as deliverer:
        async with producer.service_tx() as connection:
            await enqueue_task(connection, "index-entry", "one", {})
        deliverer.wake()
        await eventually(lambda: receiver.calls)
    async with deliverer_database.service_tx() as connection:
        (again,) = await claim(connection, 7, [(INDEX, 1)])
    assert again.attempt == 1


async def test_a_receiver_that_comes_back_gets_its_messages(
    producer: Database, delivering: Delivering, tmp_path: Path
) -> None:
    async with receiving() as receiver:
        base = receiver.base
    receiver.base = base
    async with delivering(receiver, SAVED) as deliverer:
        async with producer.service_tx() as connection:
            await emit_event(connection, "entry.saved", "k", {})
        deliverer.wake()
        await asyncio.sleep(0.3)
        async with receiving(port=int(base.rpartition(":")[2])) as back:
            await eventually(lambda: back.calls, within=15)
