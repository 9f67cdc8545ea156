"""What only Google does: dead letters by a topic, tasks without a limit, deliveries that come again, order that is lost."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Request
from maru.deliverer.queue import DeadLetter
from maru.runtime.secrets import LocalSecrets
from receiver import Answer, Received, Receiver
from shared.db import Database
from shared.inbox import handle_once
from shared.outbox import emit_event, enqueue_task
from shared.publishing.set_aside import SetsAside
from shared.pushes import open_envelope
from shared.testing import eventually
from shared.testing.google_peer import GooglePeer
from shared.testing.postgres import RoleUrls
from twins import ACCOUNT, AGAIN, ATTEMPTS, DEAD, INDEX, ROUTES, SAVED, Cloud, cloud, staging

Google = Callable[..., AbstractAsyncContextManager[Cloud]]


@pytest.fixture
def google(database_urls: RoleUrls, secrets: LocalSecrets, google_peer: GooglePeer) -> Google:
    @asynccontextmanager
    async def run(answer: Callable[[Received], Awaitable[Answer]], **more: Any) -> AsyncGenerator[Cloud]:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(staging(database_urls, secrets, google_peer, answer))
            yield await stack.enter_async_context(cloud(stage, **more))

    return run


async def accept(_: Received) -> Answer:
    return 204


async def hang(_: Received) -> Answer:
    await asyncio.sleep(60)
    return 204


async def emit(twin: Cloud, *keys: str) -> None:
    for number, key in enumerate(keys):
        async with twin.stage.producer.service_tx() as connection:
            await emit_event(connection, "entry.saved", key, {"n": number})
    await twin.relay.after_commit()


def task_headers(twin: Cloud, attempt: int, **changes: str) -> dict[str, str]:
    """As Cloud Tasks sends them at the `attempt`-th attempt (from 1)."""
    token = twin.stage.peer.signer.token(ACCOUNT, twin.receiver.base)
    return {
        "authorization": f"Bearer {token}",
        "x-cloudtasks-queuename": INDEX.name,
        "x-cloudtasks-taskname": "0123abcd",
        "x-cloudtasks-taskretrycount": str(attempt - 1),
    } | changes


async def call(twin: Cloud, path: str, body: object, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient(base_url=twin.receiver.base) as client:
        return (await client.post(path, json=body, headers=headers)).status_code


async def test_a_task_whose_attempts_all_ended_without_an_answer_is_not_run_again(google: Google) -> None:
    """Whatever kills the service each time would kill it once more."""
    async with google(accept) as twin:
        assert await call(twin, INDEX.path, {"n": 1}, task_headers(twin, ATTEMPTS + 1)) == 204
        assert twin.receiver.calls == []
        (letter,) = await twin.stage.letters()
        assert (letter.subscription, letter.attempts) == (INDEX.name, ATTEMPTS + 1)
        assert letter.cause == f"{ATTEMPTS} attempts ended without an answer"
        assert await call(twin, INDEX.path, {"n": 1}, task_headers(twin, ATTEMPTS + 2)) == 204
        assert await twin.stage.letters() == [letter]


@pytest.mark.parametrize(
    "changes",
    [
        {"x-cloudtasks-queuename": "another-queue"},
        {"x-cloudtasks-queuename": SAVED.name},
        {"x-cloudtasks-taskretrycount": "many"},
        {"x-cloudtasks-taskretrycount": "-99"},
        {"x-cloudtasks-taskname": ""},
    ],
    ids=str,
)
async def test_headers_that_are_not_of_this_queue_set_nothing_aside(google: Google, changes: dict[str, str]) -> None:
    async def fail(_: Received) -> Answer:
        return 500

    async with google(fail) as twin:
        assert await call(twin, INDEX.path, {"n": 1}, task_headers(twin, 99, **changes)) == 500
        assert len(twin.receiver.calls) == 1
        assert await twin.stage.letters() == []


@pytest.mark.parametrize("attempt", [1, ATTEMPTS, ATTEMPTS + 1])
async def test_nobody_else_sets_anything_aside(google: Google, attempt: int) -> None:
    async with google(accept) as twin:
        stranger = twin.stage.peer.signer.token("somebody@else.iam.gserviceaccount.com", twin.receiver.base)
        elsewhere = twin.stage.peer.signer.token(ACCOUNT, "https://other.example")
        for token in (stranger, elsewhere, "a.b.c"):
            headers = task_headers(twin, attempt, authorization=f"Bearer {token}")
            assert await call(twin, INDEX.path, {"n": 1}, headers) == 401
        assert await twin.stage.letters() == []
        assert twin.receiver.calls == []


async def test_a_letter_that_cannot_be_kept_is_not_acknowledged(tmp_path: Path) -> None:
    async def refuse(_: Received) -> Answer:
        return 422

    async def anybody(_: Request) -> None:
        return None

    away = Database(f"postgresql:///x?host={tmp_path}")
    app = SetsAside(Receiver(refuse), service="ingest", verify=anybody, database=away, routes=ROUTES)
    headers = {"x-cloudtasks-queuename": INDEX.name, "x-cloudtasks-taskname": "a", "x-cloudtasks-taskretrycount": "0"}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.post(INDEX.path, json={"n": 1}, headers=headers)).status_code == 500


async def test_a_fact_that_is_never_answered_comes_back_as_a_dead_letter(google: Google) -> None:
    async with google(hang) as twin:
        await emit(twin, "k")
        (letter,) = await eventually(twin.stage.letters, within=30)
        assert (letter.subscription, letter.key, letter.attempts) == (SAVED.name, "k", ATTEMPTS)
        assert letter.cause == f"no acknowledgement in {ATTEMPTS} attempts"


def dead(event_id: str, delivery_id: str, **attributes: str) -> dict[str, Any]:
    given = {
        "event_id": event_id,
        "key": "k",
        "CloudPubSubDeadLetterSourceSubscription": SAVED.name,
        "CloudPubSubDeadLetterSourceDeliveryCount": "30",
    } | attributes
    data = base64.b64encode(json.dumps({"n": 1}).encode()).decode()
    kept = {name: value for name, value in given.items() if value}
    return {"message": {"data": data, "messageId": delivery_id, "attributes": kept}, "subscription": "x"}


async def test_a_dead_letter_that_is_delivered_again_is_one_and_does_not_rise_when_it_was_dealt_with(
    google: Google,
) -> None:
    async with google(accept) as twin:
        headers = {"authorization": task_headers(twin, 1)["authorization"]}
        for _ in range(2):
            assert await call(twin, DEAD.path, dead("e1", "70001"), headers) == 204
        assert await call(twin, DEAD.path, dead("e2", "70002"), headers) == 204
        letters = await twin.stage.letters()
        assert len(letters) == 2
        assert await twin.stage.retry(*(letter.id for letter in letters)) == 2
        assert await call(twin, DEAD.path, dead("e1", "70001"), headers) == 204
        assert await twin.stage.letters() == []
        # Given up a second time: that is another dead letter.
        assert (
            await call(twin, DEAD.path, dead("e1", "70003", CloudPubSubDeadLetterSourceDeliveryCount="?"), headers)
            == 204
        )
        assert [letter.attempts for letter in await twin.stage.letters()] == [0]


@pytest.mark.parametrize("attributes", [{"CloudPubSubDeadLetterSourceSubscription": ""}], ids=["of no subscription"])
async def test_what_is_no_dead_letter_is_set_aside_and_acknowledged(
    google: Google, attributes: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async with google(accept) as twin:
        headers = {"authorization": task_headers(twin, 1)["authorization"]}
        with caplog.at_level(logging.WARNING):
            assert await call(twin, DEAD.path, dead("e1", "70001", **attributes), headers) == 204
            assert await call(twin, DEAD.path, {"message": "none"}, headers) == 204
        assert await twin.stage.letters() == []
        async with twin.stage.api.service_tx() as connection:
            assert await connection.fetchval("SELECT count(*) FROM parked_messages WHERE topic = 'dead-letters'") == 2


async def test_another_try_goes_to_the_one_subscription_with_the_old_id_and_may_fail_as_any_task(
    google: Google,
) -> None:
    async def refuse(_: Received) -> Answer:
        return 500

    async with google(refuse) as twin:
        await emit(twin, "k")
        (first,) = await eventually(twin.stage.letters)
        published = len(twin.stage.peer.pubsub.published)
        assert await twin.stage.retry(first.id) == 1
        await twin.relay.drain()
        (second,) = await eventually(lambda: _other_than(twin, first))
        assert (second.subscription, second.key, second.attempts) == (SAVED.name, "k", AGAIN.max_attempts)
        assert second.cause == "500: the receiver's words"
        assert len(twin.stage.peer.pubsub.published) == published
        again = twin.receiver.calls[-1]
        assert again.path == SAVED.path
        assert again.headers["x-cloudtasks-queuename"] == AGAIN.name
        ids = {open_envelope(json.dumps(one.payload).encode()).message_id for one in twin.receiver.calls}
        assert len(ids) == 1


async def _other_than(twin: Cloud, first: DeadLetter) -> list[DeadLetter]:
    return [letter for letter in await twin.stage.letters() if letter.id != first.id]


async def test_what_google_delivers_again_or_in_another_order_has_its_effect_once(google: Google) -> None:
    effects: list[Any] = []

    async def once(received: Received) -> Answer:
        raw = json.dumps(received.payload).encode()
        message_id = (
            open_envelope(raw).message_id
            if "message" in received.payload
            else received.headers["x-cloudtasks-taskname"]
        )
        async with (
            twin.stage.producer.service_tx() as connection,
            handle_once(connection, "test", message_id) as fresh,
        ):
            if fresh:
                effects.append(received.body["n"])
        return 204

    async with google(once) as twin:
        twin.stage.peer.faults.out_of_order = True
        twin.stage.peer.faults.redeliver(SAVED.name, 4)
        twin.stage.peer.faults.redeliver(INDEX.name, 2)
        twin.stage.peer.fault("Publish", lost=True)
        await emit(twin, "k", "k", "k")
        async with twin.stage.producer.service_tx() as connection:
            await enqueue_task(connection, INDEX.name, "one", {"n": "task"})
        await twin.relay.after_commit()
        await eventually(twin.settled)
        assert sorted(map(str, effects)) == ["0", "1", "2", "task"]
        assert len(twin.receiver.calls) >= 4 + 6


async def test_each_twin_leaves_the_others_table_alone(google: Google) -> None:
    async with google(accept) as twin:
        await emit(twin, "a", "b")
        await eventually(twin.settled)
        async with twin.stage.deliverer.service_tx() as connection:
            assert await connection.fetchval("SELECT count(*) FROM local.deliveries") == 0
