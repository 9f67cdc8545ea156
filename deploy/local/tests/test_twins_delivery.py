"""What is promised arrives, by the deliverer and by Google alike: one suite, played on both."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from maru.runtime.secrets import LocalSecrets
from receiver import Answer, Received
from shared.outbox import emit_event, enqueue_task
from shared.pushes import open_envelope
from shared.testing import eventually
from shared.testing.google_peer import GooglePeer
from shared.testing.postgres import RoleUrls
from twins import ATTEMPTS, INDEX, SAVED, Cloud, Local, Stage, cloud, local, staging

Play = Callable[..., AbstractAsyncContextManager[Local | Cloud]]


@pytest.fixture(params=["deliverer", "google"])
def play(
    request: pytest.FixtureRequest, database_urls: RoleUrls, secrets: LocalSecrets, google_peer: GooglePeer
) -> Play:
    """Opens the twin of this run, with a service that answers as it is told."""

    @asynccontextmanager
    async def run(answer: Callable[[Received], Awaitable[Answer]]) -> AsyncGenerator[Local | Cloud]:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(staging(database_urls, secrets, google_peer, answer))
            open_twin = {"deliverer": local, "google": cloud}[request.param]
            yield await stack.enter_async_context(open_twin(stage))

    return run


async def accept(_: Received) -> Answer:
    return 204


def refusing(*statuses: int, of: object = None) -> Callable[[Received], Awaitable[Answer]]:
    """Answers with `statuses`, then with 204; with `of` only messages whose `n` that is are refused."""
    left = iter(statuses)

    async def answer(call: Received) -> Answer:
        return next(left, 204) if of is None or call.body["n"] == of else 204

    return answer


async def emit(stage: Stage, key: str, topic: str = "entry.saved", **body: object) -> None:
    async with stage.producer.service_tx() as connection:
        await emit_event(connection, topic, key, dict(body))


async def enqueue(stage: Stage, name: str, queue: str = "index-entry", **more: Any) -> None:
    async with stage.producer.service_tx() as connection:
        await enqueue_task(connection, queue, name, {"n": name}, **more)


def numbers(twin: Local | Cloud) -> list[Any]:
    return [call.body["n"] for call in twin.receiver.calls]


@pytest.mark.parametrize("statuses", [(500,), (429, 503), (404, 409, 301)], ids=str)
async def test_a_fact_that_is_refused_is_tried_again_until_it_is_taken(play: Play, statuses: tuple[int, ...]) -> None:
    async with play(refusing(*statuses)) as twin:
        await emit(twin.stage, "k", n=1)
        await twin.relay.after_commit()
        await eventually(twin.settled)
        assert len(twin.receiver.calls) == len(statuses) + 1
        envelopes = [call.payload for call in twin.receiver.calls]
        assert [one["deliveryAttempt"] for one in envelopes] == list(range(1, len(statuses) + 2))
        assert len({one["message"]["messageId"] for one in envelopes}) == 1
        assert await twin.stage.letters() == []


async def test_a_command_that_is_refused_or_hangs_is_tried_again_until_it_is_done(play: Play) -> None:
    hung = asyncio.Event()
    left = iter([503, 429])

    async def answer(_: Received) -> Answer:
        if not hung.is_set():
            hung.set()
            await asyncio.sleep(30)
        return next(left, 204)

    async with play(answer) as twin:
        await enqueue(twin.stage, "one")
        await twin.relay.after_commit()
        await eventually(twin.settled)
        retries = [call.headers["x-cloudtasks-taskretrycount"] for call in twin.receiver.calls]
        assert retries == ["0", "1", "2", "3"]
        assert await twin.stage.letters() == []


@pytest.mark.parametrize("kind", ["fact", "command"])
async def test_what_keeps_failing_is_given_up_with_its_cause_and_can_be_tried_again(play: Play, kind: str) -> None:
    healthy = asyncio.Event()

    async def answer(_: Received) -> Answer:
        return 204 if healthy.is_set() else 500

    async with play(answer) as twin:
        await (emit(twin.stage, "k", n=1) if kind == "fact" else enqueue(twin.stage, "one"))
        await twin.relay.after_commit()
        (letter,) = await eventually(twin.stage.letters)
        assert letter.cause == "500: the receiver's words"
        assert letter.attempts == ATTEMPTS == len(twin.receiver.calls)
        assert letter.subscription == (SAVED.name if kind == "fact" else INDEX.name)
        first = twin.receiver.calls[0]
        healthy.set()
        assert await twin.stage.retry() == 1
        await twin.relay.drain()
        await eventually(lambda: len(twin.receiver.calls) == ATTEMPTS + 1)
        await eventually(twin.settled)
        again = twin.receiver.calls[-1]
        assert (again.path, again.body) == (first.path, first.body)
        if kind == "fact":
            assert message_id(again) == message_id(first)
        assert await twin.stage.letters() == []


def message_id(call: Received) -> str:
    return open_envelope(json.dumps(call.payload).encode()).message_id


@pytest.mark.parametrize("status", [400, 410, 413, 422])
async def test_a_hopeless_message_is_given_up_at_once_and_frees_its_key(play: Play, status: int) -> None:
    async with play(refusing(status, of="bad")) as twin:
        await emit(twin.stage, "k", n="bad")
        await emit(twin.stage, "k", n="good")
        await enqueue(twin.stage, "work")
        await twin.relay.after_commit()
        await eventually(twin.settled)
        (letter,) = await twin.stage.letters()
        assert (letter.cause, letter.attempts, letter.key) == (f"{status}: the receiver's words", 1, "k")
        assert sorted(map(str, numbers(twin))) == ["bad", "good", "work"]


async def test_one_dead_letter_is_tried_again_alone_and_may_die_again(play: Play) -> None:
    async def refuse(_: Received) -> Answer:
        return 422

    async with play(refuse) as twin:
        await emit(twin.stage, "a", n=1)
        await enqueue(twin.stage, "two")
        await twin.relay.after_commit()
        await eventually(lambda: _letters(twin, 2))
        chosen, other = await twin.stage.letters()
        assert await twin.stage.retry(chosen.id) == 1
        await twin.relay.drain()
        await eventually(lambda: len(twin.receiver.calls) == 3)
        await eventually(lambda: _letters(twin, 2))
        letters = {letter.subscription: letter for letter in await twin.stage.letters()}
        assert letters.keys() == {chosen.subscription, other.subscription}
        assert letters[other.subscription] == other
        assert await twin.stage.retry(max(one.id for one in letters.values()) + 1000) == 0


async def _letters(twin: Local | Cloud, number: int) -> bool:
    return len(await twin.stage.letters()) == number


async def test_a_command_for_no_queue_is_visible(play: Play) -> None:
    async with play(accept) as twin:
        await enqueue(twin.stage, "x", queue="no-such-queue")
        await twin.relay.after_commit()
        await eventually(twin.settled)
        (letter,) = await twin.stage.letters()
        assert (letter.subscription, letter.cause) == ("no-such-queue", "there is no queue of this name")
        assert twin.receiver.calls == []


async def test_facts_of_one_key_arrive_in_order_whatever_fails_and_keys_do_not_wait_for_each_other(play: Play) -> None:
    failures = Counter[str]()

    async def answer(call: Received) -> Answer:
        # Each third message of `a` fails twice.
        failing = call.body["key"] == "a" and call.body["n"] % 3 == 0 and failures[str(call.body["n"])] < 2
        failures[str(call.body["n"])] += failing
        return 503 if failing else 204

    async with play(answer) as twin:
        for number in range(7):
            async with twin.stage.producer.service_tx() as connection:
                for key in ("a", "b", "c"):
                    await emit_event(connection, "entry.saved", key, {"key": key, "n": number})
            await twin.relay.after_commit()
        await eventually(twin.settled)
        seen: defaultdict[str, list[int]] = defaultdict(list)
        for call in twin.receiver.calls:
            seen[call.body["key"]].append(call.body["n"])
        assert seen["a"] == sorted(seen["a"])
        assert seen["b"] == seen["c"] == list(range(7))
        assert Counter(seen["a"]) == {n: 3 if n % 3 == 0 else 1 for n in range(7)}


async def test_a_filter_lets_through_what_it_should_and_a_fact_without_a_listener_costs_nothing(play: Play) -> None:
    facts = ({"status": "failed", "file_results": True}, {"status": "done", "file_results": False}, {"status": "done"},
             {"status": "done", "file_results": True})  # fmt: skip
    async with play(accept) as twin:
        for number, fact in enumerate(facts):
            await emit(twin.stage, "k", "task.finished", n=number, **fact)
        await twin.relay.after_commit()
        await eventually(twin.settled)
        await eventually(lambda: twin.receiver.calls)
        assert numbers(twin) == [3]
        assert twin.receiver.calls[0].path == "/internal/push/task.finished"


async def test_a_command_waits_for_its_time(play: Play) -> None:
    async with play(accept) as twin:
        async with twin.stage.producer.service_tx() as connection:
            now = await connection.fetchval("SELECT now()")
        await enqueue(twin.stage, "tomorrow", not_before=now + timedelta(days=1))
        await enqueue(twin.stage, "next year", not_before=now + timedelta(days=365))
        await enqueue(twin.stage, "soon", not_before=now + timedelta(seconds=1.5))
        await enqueue(twin.stage, "now")
        await twin.relay.after_commit()
        await eventually(lambda: len(twin.receiver.calls) == 2)
        assert numbers(twin) == ["now", "soon"]
        assert float(twin.receiver.calls[1].headers["x-cloudtasks-tasketa"]) > 0
        assert not await twin.settled()


async def test_a_command_of_one_name_runs_once_also_when_it_is_named_again_afterwards(play: Play) -> None:
    async with play(accept) as twin:
        for name in ("one", "one", "another", "one"):
            await enqueue(twin.stage, name)
            await twin.relay.after_commit()
            await eventually(twin.settled)
        assert numbers(twin) == ["one", "another"]


async def test_only_who_is_sent_by_us_is_let_in_and_our_own_are(play: Play) -> None:
    async with play(accept) as twin:
        await emit(twin.stage, "k", n=1)
        await enqueue(twin.stage, "two")
        await twin.relay.after_commit()
        await eventually(twin.settled)
        assert sorted(map(str, numbers(twin))) == ["1", "two"]
        assert twin.stage.refused == []
        async with httpx.AsyncClient(base_url=twin.receiver.base) as stranger:
            for headers in (
                {},
                {
                    "x-cloudtasks-queuename": "index-entry",
                    "x-cloudtasks-taskname": "x",
                    "x-cloudtasks-taskretrycount": "99",
                },
            ):
                answer = await stranger.post("/internal/tasks/index-entry", json={"n": "forged"}, headers=headers)
                assert answer.status_code == 401
        assert len(twin.stage.refused) == 2
        assert await twin.stage.letters() == []
        assert "forged" not in numbers(twin)


async def test_what_is_committed_while_nobody_calls_is_found_by_the_sweep(play: Play) -> None:
    async with play(accept) as twin:
        for number in range(30):
            await emit(twin.stage, f"k{number % 4}", n=number)
        await twin.relay.drain()
        await eventually(twin.settled)
        assert sorted(numbers(twin)) == list(range(30))
