"""What it costs to publish before the answer, and how fast a full outbox empties, against a peer of Pub/Sub in a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from shared.db import Database
from shared.outbox import NotifyRelay, Relay, emit_event
from shared.publishing import MessagingSettings, open_relay

from bench.figure import Figure, median
from bench.ground import Ground, ground

_REQUESTS = 150
_ROWS = 3000
_BARE = 500
_ACCOUNT = "invoker@maru-bench.iam.gserviceaccount.com"
_GOAL_ADDED_MS = 25
_GOAL_TIMES = 3.0


def measure() -> list[Figure]:
    """Commits one after the other with either relay, and a backlog against a bare loop of the official client."""
    with ground() as stands, _peer() as env:
        return asyncio.run(_measure(stands, env))


async def _measure(stands: Ground, env: dict[str, str]) -> list[Figure]:
    settings = MessagingSettings.from_env(stands.cloud_variables("api") | env)
    assert settings is not None
    async with _database(stands) as database:
        notifying, publishing = NotifyRelay(database), open_relay(settings, database)
        woken, published = await _alternating(database, notifying, publishing)
        await _fill(stands, _ROWS)
        started, spent = time.perf_counter(), time.process_time()
        carried = await publishing.drain()
        ours, seconds = carried / (time.process_time() - spent), time.perf_counter() - started
        await publishing.close()
    bare = await _bare_loop(env, settings.project)
    detail: dict[str, object] = {"rows": carried, "requests": _REQUESTS, "messages_a_second": carried / seconds}
    return [
        Figure(
            "commit and publish, p50", published, "ms", f"≤ {_GOAL_ADDED_MS} ms above a wake-up", published - woken <= _GOAL_ADDED_MS,
            "commit and wake a deliverer", woken, published / woken, detail=detail,
        ),
        Figure(
            "outbox into Pub/Sub", ours, "messages a CPU second", f"≥ {_GOAL_TIMES:g} × a bare loop", ours >= _GOAL_TIMES * bare,
            "the client alone, one message a request", bare, ours / bare, detail=detail,
        ),
    ]  # fmt: skip


async def _alternating(database: Database, notifying: Relay, publishing: Relay) -> tuple[float, float]:
    """Medians in ms; both meet the machine in the same state. The first ones load the client and do not count."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for number in range(_REQUESTS + 5):
        for which, relay in enumerate((notifying, publishing)):
            started = time.perf_counter()
            async with database.service_tx() as connection:
                await emit_event(connection, "entry.saved", f"k{number}", {"entry_id": str(number)})
            await relay.after_commit()
            times[which].append((time.perf_counter() - started) * 1000)
            # What the wake-up left is taken along by neither measurement.
            await publishing.drain()
    return median(times[0][5:]), median(times[1][5:])


async def _fill(stands: Ground, rows: int) -> None:
    database = Database(stands.urls.superuser, max_size=1)
    async with database.service_tx() as connection:
        await connection.execute(
            """
            INSERT INTO maru.outbox (id, kind, topic_or_queue, key, body)
            SELECT gen_random_uuid(), 'event', 'entry.saved', 'k' || n % 100, jsonb_build_object('entry_id', gen_random_uuid(), 'version', n)
            FROM generate_series(1, $1) n
            """,
            rows,
        )
    await database.close()


async def _bare_loop(env: dict[str, str], project: str) -> float:
    """Messages of the official client for each second of this process's CPU; it waits for each answer."""
    import grpc
    from google.pubsub_v1 import PublisherAsyncClient, types
    from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport

    channel = grpc.aio.insecure_channel(env["PUBSUB_EMULATOR_HOST"])
    client = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))
    body = json.dumps({"entry_id": "0" * 36, "version": 1}).encode()

    async def one(number: int) -> None:
        message = types.PubsubMessage(data=body, ordering_key=f"k{number % 100}", attributes={"topic": "entry.saved"})
        await client.publish(topic=f"projects/{project}/topics/entry.saved", messages=[message])

    await one(0)
    spent = time.process_time()
    for number in range(_BARE):
        await one(number)
    rate = _BARE / (time.process_time() - spent)
    await channel.close()
    return rate


@asynccontextmanager
async def _database(stands: Ground) -> AsyncGenerator[Database]:
    database = Database(stands.urls.api, max_size=4)
    try:
        yield database
    finally:
        await database.close()


@contextmanager
def _peer() -> Generator[dict[str, str]]:
    """The peer's variables. Its topics have subscriptions, but nobody listens, so that what is measured is publishing."""
    command = [sys.executable, "-m", "shared.testing.google_peer", "--account", _ACCOUNT, "--project", "maru-bench"]
    process = subprocess.Popen([*command, "--unheard"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        env: dict[str, str] = json.loads(process.stdout.readline())
        yield env
    finally:
        process.terminate()
        process.wait(10)
