"""An installation that has moved from the cloud to one machine: what was given up there can be tried again here."""

from __future__ import annotations

import json

import pytest
from maru.runtime.secrets import LocalSecrets
from receiver import Answer, Received
from shared.outbox import enqueue_task
from shared.publishing.outbox_store import keep_dead_letter
from shared.pushes import open_envelope
from shared.testing import eventually
from shared.testing.google_peer import GooglePeer
from shared.testing.postgres import RoleUrls
from twins import INDEX, SAVED, Stage, local, staging


async def accept(_: Received) -> Answer:
    return 204


async def keep(stage: Stage, kind: str, destination: str) -> None:
    async with stage.producer.service_tx() as connection:
        await keep_dead_letter(connection, "old-id", kind, destination, "k", {"n": 1}, 5, "503: away\0")


@pytest.mark.parametrize(
    ("kind", "destination", "path"),
    [("push", SAVED.name, SAVED.path), ("task", INDEX.name, INDEX.path), ("publish", SAVED.source, SAVED.path)],
    ids=["push", "task", "publish"],
)
async def test_what_was_given_up_in_the_cloud_is_delivered_here(
    database_urls: RoleUrls, secrets: LocalSecrets, google_peer: GooglePeer, kind: str, destination: str, path: str
) -> None:
    async with staging(database_urls, secrets, google_peer, accept) as stage, local(stage) as twin:
        await keep(stage, kind, destination)
        (letter,) = await stage.letters()
        assert (letter.subscription, letter.cause) == (destination, "503: away�")
        assert await stage.retry(letter.id) == 1
        await twin.relay.drain()
        await eventually(lambda: stage.receiver.calls)
        (call,) = stage.receiver.calls
        assert (call.path, call.body) == (path, {"n": 1})
        if kind == "push":
            pushed = open_envelope(json.dumps(call.payload).encode())
            assert (pushed.message_id, pushed.key) == ("old-id", "k")
        await eventually(twin.settled)
        assert await stage.letters() == []
        assert stage.refused == []


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"subscription": "nobody", "event_id": "e", "data": {}},
        {"subscription": INDEX.name, "event_id": "e", "data": {}},
    ],
    ids=["nothing", "unknown", "a queue"],
)
async def test_a_wish_that_names_no_subscription_is_a_dead_letter(
    database_urls: RoleUrls, secrets: LocalSecrets, google_peer: GooglePeer, wish: dict[str, object]
) -> None:
    async with staging(database_urls, secrets, google_peer, accept) as stage, local(stage) as twin:
        async with stage.producer.service_tx() as connection:
            await enqueue_task(connection, "redeliver", "wish", wish)
        await twin.relay.drain()
        (letter,) = await eventually(stage.letters)
        assert "delivered again" in letter.cause
        assert stage.receiver.calls == []
