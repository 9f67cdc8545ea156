"""What is promised in the outbox arrives: in the right envelope, in order, once it is due, and as often as needed."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from maru.deliverer import Deliverer
from maru.deliverer.queue import backlog, dead_letters, retry_dead_letters
from maru.deliverer.tokens import ACCOUNT, ISSUER
from maru.runtime.secrets import LocalSecrets
from receiver import Answer, Received, receiving
from shared.db import Database
from shared.deliveries import queue, subscription
from shared.http.callbacks import CallbackVerifier
from shared.outbox import NotifyRelay, emit_event, enqueue_task
from shared.settings import CallbackSettings
from shared.testing import eventually

Delivering = Callable[..., AbstractAsyncContextManager[Deliverer]]

SAVED = subscription("entry.saved", "ingest")
INDEX = queue("index-entry", "ingest", concurrency=4, deadline_s=30, max_attempts=3)


async def emit(database: Database, topic: str, key: str, **body: object) -> None:
    async with database.service_tx() as connection:
        await emit_event(connection, topic, key, dict(body))


async def left(database: Database) -> dict[str, int]:
    async with database.service_tx() as connection:
        return await backlog(connection)


EMPTY = {"outbox": 0, "waiting": 0, "dead": 0}


async def test_a_fact_arrives_in_pub_subs_envelope(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    async with receiving() as receiver, delivering(receiver, SAVED) as deliverer:
        await emit(producer, "entry.saved", "k1", entry_id="e1", text="마루")
        deliverer.wake()
        await eventually(lambda: receiver.calls)
        call = receiver.calls[0]
        assert call.path == "/internal/push/entry.saved"
        assert call.body == {"entry_id": "e1", "text": "마루"}
        message = call.payload["message"]
        assert message["orderingKey"] == "k1"
        assert message["attributes"] == {"topic": "entry.saved"}
        assert message["publishTime"].endswith("Z")
        assert json.loads(base64.b64decode(message["data"]))["entry_id"] == "e1"
        assert call.payload["subscription"].endswith("/ingest.entry.saved")
        await eventually(lambda: _is_empty(deliverer_database))


async def test_a_subscription_receives_only_what_its_filter_lets_through(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    """What no subscription wants costs no delivery."""
    finished = subscription("task.finished", "ingest", only={"status": "done", "file_results": True})
    async with receiving() as receiver, delivering(receiver, finished) as deliverer:
        for number, fact in enumerate(({"status": "failed", "file_results": True}, {"status": "done", "file_results": False}, {"status": "done"},
                                       {"status": "done", "file_results": True, "attempt": 2})):  # fmt: skip
            await emit(producer, "task.finished", f"k{number}", **fact)
        deliverer.wake()
        await eventually(lambda: receiver.calls)
        await eventually(lambda: _is_empty(deliverer_database))
        assert [call.body["attempt"] for call in receiver.calls] == [2]


async def _is_empty(database: Database) -> bool:
    return await left(database) == EMPTY


async def test_a_command_arrives_with_cloud_tasks_headers(producer: Database, delivering: Delivering) -> None:
    async with receiving() as receiver, delivering(receiver, INDEX) as deliverer:
        async with producer.service_tx() as connection:
            task_id = await enqueue_task(connection, "index-entry", "e1-1", {"entry_id": "e1"})
        deliverer.wake()
        await eventually(lambda: receiver.calls)
        call = receiver.calls[0]
        assert call.path == "/internal/tasks/index-entry"
        assert call.payload == {"entry_id": "e1"}
        assert call.headers["x-cloudtasks-queuename"] == "index-entry"
        assert call.headers["x-cloudtasks-taskname"] == str(task_id)
        assert call.headers["x-cloudtasks-taskretrycount"] == "0"


async def test_the_token_passes_the_services_own_check(
    producer: Database, delivering: Delivering, secrets: LocalSecrets
) -> None:
    async with receiving() as receiver, delivering(receiver, SAVED) as deliverer:
        await emit(producer, "entry.saved", "k")
        deliverer.wake()
        await eventually(lambda: receiver.calls)
    token = receiver.calls[0].headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, secrets.callback_public_key, algorithms=["ES256"], audience=receiver.base, issuer=ISSUER)
    assert (claims["email"], claims["email_verified"]) == (ACCOUNT, True)

    from starlette.requests import Request

    settings = CallbackSettings.from_env(
        {"PUSH_AUTH_MODE": "local", "MARU_CALLBACK_PUBLIC_KEY": secrets.callback_public_key}, receiver.base
    )
    scope = {"type": "http", "headers": [(b"authorization", receiver.calls[0].headers["authorization"].encode())]}
    await CallbackVerifier(settings)(Request(scope))


async def test_a_committed_row_is_found_without_a_wake_up_and_within_a_poll(
    producer: Database, delivering: Delivering
) -> None:
    async with receiving() as receiver, delivering(receiver, SAVED):
        await emit(producer, "entry.saved", "k")
        await eventually(lambda: receiver.calls, within=5)


async def test_notify_wakes_it(producer: Database, delivering: Delivering) -> None:
    async with receiving() as receiver, delivering(receiver, SAVED):
        relay = NotifyRelay(producer)
        for number in range(5):
            await emit(producer, "entry.saved", f"k{number}")
            await relay.after_commit()
            await eventually(lambda: len(receiver.calls) > number)  # noqa: B023 - awaited at once


async def test_facts_of_one_key_arrive_in_order_and_keys_in_parallel(
    producer: Database, delivering: Delivering
) -> None:
    async def slow(_: Received) -> Answer:
        await asyncio.sleep(0.005)
        return 204

    async with receiving(slow) as receiver, delivering(receiver, SAVED) as deliverer:
        for number in range(20):
            async with producer.service_tx() as connection:
                for key in ("a", "b", "c"):
                    await emit_event(connection, "entry.saved", key, {"key": key, "number": number})
            deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 60)
    seen = defaultdict(list)
    for call in receiver.calls:
        seen[call.body["key"]].append(call.body["number"])
    assert all(numbers == list(range(20)) for numbers in seen.values())
    assert receiver.most_at_once > 1


async def test_a_failing_fact_holds_back_its_key_and_no_other(producer: Database, delivering: Delivering) -> None:
    failures = iter([503, 500])

    async def answer(call: Received) -> Answer:
        return next(failures, 204) if call.body["n"] == "first" else 204

    async with receiving(answer) as receiver, delivering(receiver, SAVED) as deliverer:
        await emit(producer, "entry.saved", "a", n="first")
        await emit(producer, "entry.saved", "a", n="second")
        await emit(producer, "entry.saved", "b", n="other")
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 5)
    order = [call.body["n"] for call in receiver.calls]
    assert order.index("other") < 3
    assert [name for name in order if name != "other"] == ["first", "first", "first", "second"]


async def test_a_hopeless_message_is_a_dead_letter_at_once_and_frees_its_key(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    async def answer(call: Received) -> Answer:
        return 422 if call.body["n"] == "bad" else 204

    async with receiving(answer) as receiver, delivering(receiver, SAVED) as deliverer:
        await emit(producer, "entry.saved", "a", n="bad")
        await emit(producer, "entry.saved", "a", n="good")
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 2)
        await eventually(lambda: _counts(deliverer_database, waiting=0, dead=1))
    async with deliverer_database.service_tx() as connection:
        (letter,) = await dead_letters(connection)
    assert letter.cause == "422: the receiver's words"
    assert (letter.subscription, letter.key, letter.attempts) == ("ingest.entry.saved", "a", 1)


async def _counts(database: Database, **wanted: int) -> bool:
    found = await left(database)
    return all(found[name] == value for name, value in wanted.items())


async def test_a_message_that_keeps_failing_is_given_up_with_its_cause_and_can_be_tried_again(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    healthy = asyncio.Event()

    async def answer(_: Received) -> Answer:
        return 204 if healthy.is_set() else 500

    async with receiving(answer) as receiver, delivering(receiver, INDEX) as deliverer:
        async with producer.service_tx() as connection:
            await enqueue_task(connection, "index-entry", "poison", {})
        deliverer.wake()
        await eventually(lambda: _counts(deliverer_database, dead=1))
        assert [call.headers["x-cloudtasks-taskretrycount"] for call in receiver.calls] == ["0", "1", "2"]
        healthy.set()
        async with deliverer_database.service_tx() as connection:
            assert await retry_dead_letters(connection) == 1
        deliverer.wake()
        await eventually(lambda: _is_empty(deliverer_database))
        assert len(receiver.calls) == 4


async def test_one_dead_letter_can_be_tried_again_alone(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    async def refuse(_: Received) -> Answer:
        return 400

    async with receiving(refuse) as receiver, delivering(receiver, SAVED) as deliverer:
        await emit(producer, "entry.saved", "a")
        await emit(producer, "entry.saved", "b")
        deliverer.wake()
        await eventually(lambda: _counts(deliverer_database, dead=2))
    async with deliverer_database.service_tx() as connection:
        letters = await dead_letters(connection)
        assert await retry_dead_letters(connection, [letters[0].id]) == 1
    assert await left(deliverer_database) == {"outbox": 0, "waiting": 1, "dead": 1}
    assert receiver.calls


async def test_retry_after_is_honoured(producer: Database, delivering: Delivering) -> None:
    times: list[float] = []

    async def answer(_: Received) -> Answer:
        times.append(time.monotonic())
        return (429, {"retry-after": "2"}) if len(times) == 1 else 204

    async with receiving(answer) as receiver, delivering(receiver, INDEX) as deliverer:
        async with producer.service_tx() as connection:
            await enqueue_task(connection, "index-entry", "later", {})
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 2)
    assert times[1] - times[0] >= 1.9


async def test_a_command_of_one_name_runs_once_also_when_it_is_named_again_afterwards(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    async with receiving() as receiver, delivering(receiver, INDEX) as deliverer:
        for _ in range(3):
            async with producer.service_tx() as connection:
                await enqueue_task(connection, "index-entry", "one", {})
            deliverer.wake()
            await eventually(lambda: _is_empty(deliverer_database))
        async with producer.service_tx() as connection:
            await enqueue_task(connection, "index-entry", "another", {})
        deliverer.wake()
        await eventually(lambda: _is_empty(deliverer_database))
    assert len(receiver.calls) == 2


async def test_a_command_waits_for_its_time(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    async with receiving() as receiver, delivering(receiver, INDEX) as deliverer:
        async with producer.service_tx() as connection:
            now = await connection.fetchval("SELECT now()")
            await enqueue_task(
                connection, "index-entry", "tomorrow", {"n": "tomorrow"}, not_before=now + timedelta(days=1)
            )
            await enqueue_task(connection, "index-entry", "soon", {"n": "soon"}, not_before=now + timedelta(seconds=1))
            await enqueue_task(connection, "index-entry", "now", {"n": "now"})
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 2)
        assert [call.payload["n"] for call in receiver.calls] == ["now", "soon"]
        await eventually(lambda: _counts(deliverer_database, waiting=1, dead=0))


async def test_no_more_calls_at_once_than_a_queue_allows(producer: Database, delivering: Delivering) -> None:
    async def slow(_: Received) -> Answer:
        await asyncio.sleep(0.01)
        return 204

    async with receiving(slow) as receiver, delivering(receiver, INDEX) as deliverer:
        async with producer.service_tx() as connection:
            for number in range(40):
                await enqueue_task(connection, "index-entry", str(number), {})
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 40)
    assert 1 < receiver.most_at_once <= INDEX.concurrency


async def test_a_call_that_hangs_is_cut_off_and_tried_again(producer: Database, delivering: Delivering) -> None:
    impatient = queue("index-entry", "ingest", concurrency=1, deadline_s=0.1, max_attempts=5)
    first = asyncio.Event()

    async def answer(_: Received) -> Answer:
        if not first.is_set():
            first.set()
            await asyncio.sleep(30)
        return 204

    async with receiving(answer) as receiver, delivering(receiver, impatient) as deliverer:
        async with producer.service_tx() as connection:
            await enqueue_task(connection, "index-entry", "hangs", {})
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 2)


async def test_a_fact_nobody_subscribes_to_is_dropped_and_a_command_for_no_queue_is_a_dead_letter(
    producer: Database, delivering: Delivering, deliverer_database: Database
) -> None:
    async with receiving() as receiver, delivering(receiver, SAVED) as deliverer:
        await emit(producer, "user.signed_up", "u")
        async with producer.service_tx() as connection:
            await enqueue_task(connection, "no-such-queue", "x", {})
        deliverer.wake()
        await eventually(lambda: _counts(deliverer_database, outbox=0, dead=1))
        assert receiver.calls == []


async def test_each_subscription_of_a_topic_gets_its_own_copy(producer: Database, delivering: Delivering) -> None:
    from dataclasses import replace

    second = replace(SAVED, name="second", path="/internal/push/second")
    async with receiving() as receiver, delivering(receiver, SAVED, second) as deliverer:
        await emit(producer, "entry.saved", "k")
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 2)
    assert {call.path for call in receiver.calls} == {"/internal/push/entry.saved", "/internal/push/second"}


@pytest.mark.parametrize("status", [206, 301, 404, 409, 429, 500, 503])
async def test_only_an_acknowledgement_is_one(producer: Database, delivering: Delivering, status: int) -> None:
    answers = iter([status])

    async def answer(_: Received) -> Answer:
        return next(answers, 204)

    async with receiving(answer) as receiver, delivering(receiver, SAVED) as deliverer:
        await emit(producer, "entry.saved", str(uuid4()))
        deliverer.wake()
        await eventually(lambda: len(receiver.calls) == 2)
