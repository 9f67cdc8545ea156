"""The two ways from the outbox to a service, behind one face: the deliverer of one machine, and Pub/Sub with Cloud Tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from api.letters.callbacks import dead_letter_router
from fastapi import FastAPI, Request
from maru.deliverer import Deliverer, HttpCaller, TokenSigner
from maru.deliverer.queue import DeadLetter, dead_letters, retry_dead_letters
from maru.runtime.secrets import LocalSecrets
from receiver import Answer, Received, Receiver
from shared.db import Database
from shared.deliveries import REDELIVER, Route, queue, subscription
from shared.errors import Problem
from shared.http.callbacks import CallbackVerifier
from shared.outbox import Relay
from shared.publishing.cloud_tasks import CloudTasksQueues
from shared.publishing.pubsub import PubSubTopics
from shared.publishing.relay import OutboxRelay
from shared.publishing.set_aside import SetsAside
from shared.publishing.settings import MessagingSettings
from shared.settings import CallbackSettings
from shared.testing.google_peer import GooglePeer, provision
from shared.testing.postgres import RoleUrls
from shared.testing.serving import served

ACCOUNT = "push@maru-test.iam.gserviceaccount.com"
HURRY = 20
"""Google's shortest waits are long; the peer divides them, and the deliverer's are divided here."""
ATTEMPTS = 5

SAVED = replace(
    subscription("entry.saved", "ingest"), deadline_s=10, max_attempts=ATTEMPTS, min_backoff_s=0.5, max_backoff_s=2
)
WANTED = replace(SAVED, name="ingest.task.finished", source="task.finished", path="/internal/push/task.finished",
                 only={"status": "done", "file_results": True})  # fmt: skip
INDEX = replace(
    queue("index-entry", "ingest", concurrency=4, deadline_s=15, max_attempts=ATTEMPTS),
    min_backoff_s=0.5,
    max_backoff_s=2,
)
AGAIN = replace(queue(REDELIVER, "ingest", concurrency=4, deadline_s=15, max_attempts=ATTEMPTS), min_backoff_s=0.5)
DEAD = Route("api.dead-letters", "event", "dead-letters", "api", "/internal/push/dead-letters", 4, 10, 100)
ROUTES = (SAVED, WANTED, INDEX, AGAIN)


class Twin(Protocol):
    """One of the two."""

    relay: Relay
    receiver: Receiver

    async def settled(self) -> bool:
        """Whether nothing is on its way any more."""
        ...


@dataclass
class Stage:
    """What a twin is played on: the receiving service, and the databases."""

    producer: Database
    deliverer: Database
    api: Database
    secrets: LocalSecrets
    peer: GooglePeer
    receiver: Receiver
    refused: list[str] = field(default_factory=list)
    """Paths of calls that did not prove who makes them."""

    async def outbox(self) -> list[dict[str, Any]]:
        async with self.producer.service_tx() as connection:
            rows = await connection.fetch("SELECT kind, topic_or_queue, attempts, last_error FROM outbox ORDER BY seq")
        return [dict(row) for row in rows]

    async def letters(self) -> list[DeadLetter]:
        async with self.deliverer.service_tx() as connection:
            return await dead_letters(connection)

    async def retry(self, *ids: int) -> int:
        async with self.deliverer.service_tx() as connection:
            return await retry_dead_letters(connection, list(ids) or None)


@dataclass
class Local:
    """The deliverer."""

    stage: Stage
    relay: Deliverer
    receiver: Receiver

    async def settled(self) -> bool:
        async with self.stage.deliverer.service_tx() as connection:
            left = await connection.fetchval(
                "SELECT (SELECT count(*) FROM maru.outbox) + count(*) FROM local.deliveries WHERE dead_at IS NULL"
            )
        return bool(left == 0)


@dataclass
class Cloud:
    """The relay and the peer."""

    stage: Stage
    relay: OutboxRelay
    receiver: Receiver

    async def settled(self) -> bool:
        peer = self.stage.peer
        return not await self.stage.outbox() and peer.pubsub.undelivered() == 0 and not peer.tasks.waiting()


def messaging(peer: GooglePeer, base: str) -> MessagingSettings:
    """Settings that lead to the peer."""
    settings = MessagingSettings.from_env(
        {
            "GOOGLE_CLOUD_PROJECT": "maru-test",
            "PUSH_SERVICE_ACCOUNT": ACCOUNT,
            "PUSH_AUTH_MODE": "oidc",
            **{f"MARU_{service}_URL": base for service in ("API", "INGEST", "INFERENCE")},
            **peer.env,
        }
    )
    assert settings is not None
    return settings


def relay_of(database: Database, peer: GooglePeer, base: str, **more: Any) -> OutboxRelay:
    settings = messaging(peer, base)
    return OutboxRelay(database, PubSubTopics(settings), CloudTasksQueues(settings, ROUTES), **more)


@asynccontextmanager
async def service(stage: Stage, verifier: Callable[[str], CallbackVerifier], *, cloud: bool) -> AsyncGenerator[str]:
    """The receiving service on a port: it verifies each call, and in the cloud it keeps what fails for good."""
    app: Callable[..., Awaitable[None]] = stage.receiver

    async def late(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await app(scope, receive, send)

    async def proving(scope: Any, receive: Any, send: Any) -> None:
        try:
            await verify(Request(scope))
        except Problem as problem:
            stage.refused.append(scope["path"])
            await send({"type": "http.response.start", "status": problem.status, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        chosen = graveyard if scope["path"] == DEAD.path else stage.receiver
        await chosen(scope, receive, send)

    graveyard = FastAPI()
    async with served(late) as base:
        stage.receiver.base = base
        verify = verifier(base)
        graveyard.include_router(dead_letter_router(verify, stage.api))
        aside = SetsAside(proving, service="ingest", verify=verify, database=stage.producer, routes=ROUTES)
        app = aside if cloud else proving
        yield base


@asynccontextmanager
async def local(stage: Stage) -> AsyncGenerator[Local]:
    """The deliverer, at work."""

    def verifier(base: str) -> CallbackVerifier:
        env = {"PUSH_AUTH_MODE": "local", "MARU_CALLBACK_PUBLIC_KEY": stage.secrets.callback_public_key}
        return CallbackVerifier(CallbackSettings.from_env(env, base))

    routes = [
        replace(
            route,
            deadline_s=route.deadline_s / HURRY,
            min_backoff_s=route.min_backoff_s / HURRY,
            max_backoff_s=route.max_backoff_s / HURRY,
        )
        for route in ROUTES
    ]
    async with service(stage, verifier, cloud=False) as base:
        signer = TokenSigner(stage.secrets.callback_private_key)
        deliverer = Deliverer(stage.deliverer, routes, {"ingest": base}, HttpCaller(), signer)
        await deliverer.start()
        try:
            yield Local(stage, deliverer, stage.receiver)
        finally:
            await deliverer.stop(within_s=0.5)


@asynccontextmanager
async def cloud(stage: Stage, **more: Any) -> AsyncGenerator[Cloud]:
    """Topics, subscriptions and queues of the peer, and a relay."""

    def verifier(base: str) -> CallbackVerifier:
        env = {"PUSH_AUTH_MODE": "oidc", "PUSH_SERVICE_ACCOUNT": ACCOUNT, **stage.peer.env}
        return CallbackVerifier(CallbackSettings.from_env(env, base))

    async with service(stage, verifier, cloud=True) as base:
        provision(stage.peer, [*ROUTES, DEAD], {"ingest": base, "api": base}, ACCOUNT)
        relay = relay_of(stage.producer, stage.peer, base, **more)
        try:
            yield Cloud(stage, relay, stage.receiver)
        finally:
            await relay.close(within_s=0.5)


@asynccontextmanager
async def staging(
    urls: RoleUrls, secrets: LocalSecrets, peer: GooglePeer, answer: Callable[[Received], Awaitable[Answer]]
) -> AsyncGenerator[Stage]:
    """The databases and a receiver that answers so."""
    async with AsyncExitStack() as stack:
        databases = []
        for dsn in (urls.ingest, urls.superuser.replace("postgres@", "maru_deliverer@"), urls.api):
            databases.append(Database(dsn, max_size=4))
            stack.push_async_callback(databases[-1].close)
        yield Stage(*databases, secrets, peer, Receiver(answer))
        # Whatever hangs in a receiver ends with its service.
        await asyncio.sleep(0)
