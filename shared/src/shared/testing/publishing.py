"""A relay of a service and the peer it publishes to, for tests."""

from __future__ import annotations

from collections import defaultdict
from typing import Any
from uuid import UUID

from shared.db import Database
from shared.outbox import emit_event, enqueue_task
from shared.publishing import MessagingSettings
from shared.publishing.cloud_tasks import CloudTasksQueues
from shared.publishing.pubsub import PubSubTopics
from shared.publishing.relay import OutboxRelay
from shared.testing.google_peer import GooglePeer

ACCOUNT = "push@maru-test.iam.gserviceaccount.com"
URLS = {f"MARU_{name}_URL": f"https://{name.lower()}.example" for name in ("API", "INGEST", "INFERENCE")}
ENV = {"GOOGLE_CLOUD_PROJECT": "maru-test", "PUSH_SERVICE_ACCOUNT": ACCOUNT, "PUSH_AUTH_MODE": "oidc", **URLS}
SERVICES = {"api": URLS["MARU_API_URL"], "ingest": URLS["MARU_INGEST_URL"], "inference": URLS["MARU_INFERENCE_URL"]}


def relay_of(database: Database, peer: GooglePeer, **more: Any) -> OutboxRelay:
    """A relay as a service makes it, except for its waits."""
    settings = MessagingSettings.from_env(ENV | peer.env)
    assert settings is not None
    return OutboxRelay(database, PubSubTopics(settings), CloudTasksQueues(settings), **more)


async def emit(database: Database, key: str, topic: str = "entry.saved", **body: object) -> UUID:
    async with database.service_tx() as connection:
        return await emit_event(connection, topic, key, dict(body))


async def enqueue(database: Database, name: str, queue: str = "index-entry", **more: Any) -> UUID:
    async with database.service_tx() as connection:
        return await enqueue_task(connection, queue, name, {"name": name}, **more)


async def outbox(database: Database) -> list[dict[str, Any]]:
    async with database.service_tx() as connection:
        rows = await connection.fetch(
            "SELECT id, topic_or_queue, body, attempts, last_error, claimed_until IS NOT NULL AS claimed FROM outbox ORDER BY seq"
        )
    return [dict(row) for row in rows]


async def letters(owner: Database) -> list[dict[str, Any]]:
    """Dead letters, which the services themselves cannot read."""
    async with owner.service_tx() as connection:
        rows = await connection.fetch(
            "SELECT kind, destination, key, attempts, cause FROM maru.dead_letters ORDER BY id"
        )
    return [dict(row) for row in rows]


async def time_passes(owner: Database) -> None:
    """Backoffs and leases end."""
    async with owner.service_tx() as connection:
        await connection.execute(
            """
            UPDATE maru.outbox SET next_attempt_at = now() - interval '1 s',
              claimed_until = CASE WHEN claimed_until IS NOT NULL THEN now() - interval '1 s' END
            """
        )


def first_seen(peer: GooglePeer) -> dict[str, list[str]]:
    """Of each key the ids in the order in which they first came: what a receiver makes of it that keeps each message once."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for message in list(peer.pubsub.published):
        found[message.key].setdefault(message.attributes["event_id"])
    return {key: list(ids) for key, ids in found.items()}
