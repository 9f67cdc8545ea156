"""Answers outlive the reader, the connection, the instance and the process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import psycopg
import pytest
from shared.testing import eventually
from shared.testing.identity import callback_headers
from shared.testing.openai_peer import Reply
from shared.vectors.serve import VectorServer

PLUM = "We planted the plum tree behind the house. Grandmother held the ladder and sang."
ANSWER = 'It stands [1: "behind the house"], and she [1: "held the ladder and sang"] there.'


def expire_leases(house):
    with psycopg.connect(house.urls.superuser) as connection:
        connection.execute("UPDATE maru.streams SET lease_expires_at = now() - interval '1 s' WHERE status = 'running'")


async def first_event(talker, conversation, question="Where is the plum tree?"):
    """Ask, see the start, and leave."""
    async for event in talker.stream(conversation, question):
        return event
    raise AssertionError("no event came")


async def status_of(talker, conversation):
    return (await talker.read(conversation))["messages"][-1]["status"]


async def test_an_answer_can_be_resumed_after_any_event_on_any_instance(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply(ANSWER))
    events = await talker.events(await talker.begin(), "Where is the plum tree?")
    stream = events[0].data["stream_id"]
    elsewhere = house.at(await house.open(), talker.token, talker.id, talker.space_id)
    for reader in (talker, elsewhere):
        assert await reader.resume(stream) == events
        for seen, event in enumerate(events, 1):
            assert await reader.resume(stream, event.id) == events[seen:]
    assert len(house.peer.chats) == 1


async def test_a_running_answer_can_be_joined_after_any_event_on_any_instance(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply(ANSWER, hold_after=9))
    elsewhere = house.at(await house.open(), talker.token, talker.id, talker.space_id)
    asked = asyncio.create_task(talker.events(await talker.begin(), "Where is the plum tree?"))
    await house.peer.held.wait()
    with psycopg.connect(house.urls.superuser) as connection:
        stream = str(connection.execute("SELECT id FROM maru.streams WHERE kind = 'answer'").fetchone()[0])
    joined = [asyncio.create_task(reader.resume(stream, after)) for reader in (talker, elsewhere) for after in range(8)]

    async def listening():
        return all(not task.done() for task in joined)

    await eventually(listening)
    house.peer.release()
    events = await asked
    for position, task in enumerate(joined):
        assert await task == events[position % 8 :]


async def test_leaving_does_not_stop_an_answer(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply(ANSWER, hold_after=3))
    conversation = await talker.begin()
    start = await first_event(talker, conversation)
    await house.peer.held.wait()
    assert await status_of(talker, conversation) == "streaming"
    house.peer.release()
    events = await talker.resume(start.data["stream_id"])
    assert events[-1].type == "done"
    assert await status_of(talker, conversation) == "done"


@pytest.mark.parametrize("there", [True, False], ids=["same instance", "another instance"])
async def test_stop_keeps_what_has_arrived(house, talker, there):
    await talker.remember(PLUM)
    house.peer.script(Reply("one two three four", hold_after=2))
    conversation = await talker.begin()
    presser = talker if there else house.at(await house.open(), talker.token, talker.id, talker.space_id)
    events = []
    async for event in talker.stream(conversation, "Where is the plum tree?"):
        events.append(event)
        if "".join(one.data.get("text", "") for one in events) == "one two":
            stopped = await presser.http.post(f"/api/v1/streams/{events[0].data['stream_id']}/cancel")
            assert stopped.status_code == 202
    assert events[-1].type == "cancelled"
    message = (await talker.read(conversation))["messages"][1]
    assert (message["status"], message["content"]) == ("cancelled", "one two")
    await eventually(lambda: house.peer.hung_up == 1)
    assert await talker.resume(events[0].data["stream_id"], 1) == events[1:]


async def test_one_answer_at_a_time(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply("one two", hold_after=1))
    conversation = await talker.begin()
    start = await first_event(talker, conversation)
    url = f"/api/v1/conversations/{conversation}/messages"
    refused = [await talker.http.post(url, json={"content": "And now?"}) for _ in range(2)]
    assert [answer.status_code for answer in refused] == [409, 409]
    assert refused[0].json()["code"] == "answer_in_progress"
    assert refused[0].json()["stream_id"] == start.data["stream_id"]
    house.peer.release()
    await talker.resume(start.data["stream_id"])
    assert len((await talker.read(conversation))["messages"]) == 2
    assert (await talker.ask(conversation, "Where is the plum tree now?"))["status"] == "done"


async def test_of_many_questions_at_once_one_is_taken(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply("one two", hold_after=1))
    conversation = await talker.begin()
    url = f"/api/v1/conversations/{conversation}/messages"
    asked = [asyncio.create_task(talker.http.post(url, json={"content": f"plum tree {n}"})) for n in range(6)]
    await eventually(lambda: sum(task.done() for task in asked) == 5)
    house.peer.release()
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


async def test_the_same_request_again_gives_the_same_answer(house, talker):
    await talker.remember(PLUM)
    conversation = await talker.begin()
    key = {"Idempotency-Key": "ask-1"}
    streamed = await talker.events(conversation, "Where is the plum tree?", **key)
    assert await talker.events(conversation, "Where is the plum tree?", **key) == streamed
    assert await talker.ask(conversation, "Where is the plum tree?", **key) == streamed[-1].data["message"]
    other = await talker.http.post(
        f"/api/v1/conversations/{conversation}/messages", json={"content": "Another?"}, headers=key
    )
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert len(house.peer.chats) == 1
    assert len((await talker.read(conversation))["messages"]) == 2


async def test_a_retry_while_the_answer_is_written_joins_it(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply("one two three", hold_after=1))
    conversation = await talker.begin()
    key = {"Idempotency-Key": "ask-2"}
    first = asyncio.create_task(talker.events(conversation, "Where is the plum tree?", **key))
    await house.peer.held.wait()
    second = asyncio.create_task(talker.events(conversation, "Where is the plum tree?", **key))
    house.peer.release()
    assert await first == await second


async def test_a_shutdown_lets_an_answer_finish_or_ends_it_as_interrupted(house, talker):
    entry_text = PLUM
    async with AsyncExitStack() as passing:
        house.stack, kept = passing, house.stack
        leaving = await house.sign_up(await house.open())
        house.stack = kept
        await leaving.remember(entry_text)
        house.peer.script(Reply("one two three", hold_after=2))
        conversation = await leaving.begin()
        start = await first_event(leaving, conversation)
        await house.peer.held.wait()
    here = house.at(str(talker.http.base_url), leaving.token, leaving.id, leaving.space_id)
    events = await here.resume(start.data["stream_id"])
    assert events[-1].type == "interrupted"
    assert events[-1].data["code"] == "interrupted"
    message = (await here.read(conversation))["messages"][1]
    assert (message["status"], message["content"]) == ("interrupted", "one two")


async def until_killed(house, victim, conversation, process):
    """Ask; when the citation has come and is stored, kill the process. What was seen until the connection broke."""
    seen = []

    def safe():
        return stored(house, seen[0].data["stream_id"]) >= seen[-1].id

    try:
        async for event in victim.stream(conversation, "Where is the plum tree?"):
            seen.append(event)
            if event.type == "citation":
                await eventually(safe)
                os.kill(process.pid, signal.SIGKILL)
    except httpx.HTTPError:
        return seen
    raise AssertionError("the connection outlived its process")


async def test_a_killed_process_leaves_an_answer_that_the_sweep_ends(house, tmp_path):
    url = await house.open()
    talker = await house.sign_up(url)
    await talker.remember(PLUM)
    house.peer.script(Reply(ANSWER, hold_after=6))
    async with doomed(house, tmp_path) as (process, doomed_url):
        victim = house.at(doomed_url, talker.token, talker.id, talker.space_id)
        conversation = await victim.begin()
        seen = await until_killed(house, victim, conversation, process)
    expire_leases(house)
    async with httpx.AsyncClient(base_url=url) as scheduler:
        swept = await scheduler.post("/internal/sweep", headers=callback_headers())
    assert swept.status_code == 204, swept.text

    events = await talker.resume(seen[0].data["stream_id"])
    assert events[: len(seen)] == seen
    assert events[-1].type == "interrupted"
    assert await talker.resume(seen[0].data["stream_id"], seen[-1].id) == events[len(seen) :]
    message = (await talker.read(conversation))["messages"][1]
    assert message["status"] == "interrupted"
    assert message["content"] == "".join(event.data.get("text", "") for event in events[:-1])
    assert [citation["state"] for citation in message["citations"]] == ["verified"]
    assert len(house.peer.chats) == 1


async def test_a_dead_answer_does_not_keep_the_next_question_waiting(house, talker):
    await talker.remember(PLUM)
    conversation = await talker.begin()
    with psycopg.connect(house.urls.superuser) as connection:
        connection.execute(
            """
            WITH made AS (
              INSERT INTO maru.streams (id, space_id, owner_id, kind, subject_id, lease_expires_at)
              VALUES (gen_random_uuid(), %s, %s, 'answer', gen_random_uuid(), now() - interval '1 s') RETURNING id, subject_id)
            INSERT INTO maru.messages (id, conversation_id, owner_id, role, status, content, stream_id)
            SELECT subject_id, %s, %s, 'assistant', 'streaming', '', id FROM made
            """,
            (talker.space_id, talker.id, conversation, talker.id),
        )
    assert (await talker.ask(conversation, "Where is the plum tree?"))["status"] == "done"
    assert "interrupted" in [message["status"] for message in (await talker.read(conversation))["messages"]]


async def test_deleting_a_conversation_stops_its_answer(house, talker):
    await talker.remember(PLUM)
    house.peer.script(Reply("one two three", hold_after=1))
    conversation = await talker.begin()
    start = await first_event(talker, conversation)
    await house.peer.held.wait()
    assert (await talker.http.delete(f"/api/v1/conversations/{conversation}")).status_code == 204
    await eventually(lambda: house.peer.hung_up == 1)
    gone = await talker.http.get(f"/api/v1/streams/{start.data['stream_id']}")
    assert gone.status_code == 404


async def test_a_strangers_stream_and_conversation_do_not_exist(house, talker):
    await talker.remember(PLUM)
    conversation = await talker.begin()
    events = await talker.events(conversation, "Where is the plum tree?")
    stranger = await house.sign_up(str(talker.http.base_url), "stranger")
    stream = events[0].data["stream_id"]
    answers = [
        await stranger.http.get(f"/api/v1/streams/{stream}"),
        await stranger.http.post(f"/api/v1/streams/{stream}/cancel"),
        await stranger.http.get(f"/api/v1/conversations/{conversation}"),
        await stranger.http.get(f"/api/v1/conversations/{conversation}/export"),
        await stranger.http.patch(f"/api/v1/conversations/{conversation}", json={"title": "mine"}),
        await stranger.http.post(f"/api/v1/conversations/{conversation}/messages", json={"content": "hello"}),
        await stranger.http.delete(f"/api/v1/conversations/{conversation}"),
    ]
    assert [answer.status_code for answer in answers] == [404] * 7
    assert (await stranger.http.get("/api/v1/conversations")).json()["conversations"] == []
    assert len((await talker.read(conversation))["messages"]) == 2


def stored(house, stream):
    with psycopg.connect(house.urls.superuser) as connection:
        row = connection.execute("SELECT last_seq FROM maru.streams WHERE id = %s", (stream,)).fetchone()
    return row[0]


@asynccontextmanager
async def doomed(house, tmp_path):
    """A gateway in a process of its own, on the database and index of this one; gives the process and its URL."""
    server = VectorServer(house.vectors, tmp_path / "v.sock")
    await server.start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | house.environment | house.peer.environment
    environment |= {
        "PORT": str(port),
        "MARU_VECTORS_SOCKET": str(tmp_path / "v.sock"),
        "MARU_EMBEDDING_MODEL": "none",
        # What tokens are issued and checked against.
        "MARU_API_URL": "http://127.0.0.1:8000",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "api", env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as probe_client:

            async def up():
                try:
                    return (await probe_client.get(f"{url}/health")).status_code == 200
                except httpx.HTTPError:
                    return False

            await eventually(up, within=30)
        yield process, url
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await server.close()
