"""Messages that come twice, late, in another order, or make no sense."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from shared.testing.memory import Memory


def _envelope(data: Any, message_id: str = "m-1") -> dict[str, Any]:
    return {"message": {"data": base64.b64encode(json.dumps(data).encode()).decode(), "messageId": message_id}}


async def test_a_push_delivered_three_times_becomes_one_task(memory: Memory) -> None:
    jiwoo = await memory.person()
    await memory.note(jiwoo, "once")
    [event] = await memory.deliverer.waiting()
    for _ in range(3):
        assert (await memory.deliverer.deliver(event)).status_code == 204
    assert [message.name for message in await memory.deliverer.waiting()] == ["entry.saved", "index-entry"]


async def test_a_fact_that_was_published_twice_is_one_task(memory: Memory) -> None:
    """Each publication has an id of Pub/Sub's; the promise's own id says that they are one, in whichever order they are replayed."""
    jiwoo = await memory.person()
    await memory.note(jiwoo, "once")
    [event] = await memory.deliverer.waiting()
    path, body = event.request()
    for delivery_id in ("7000000000000001", "7000000000000002", "7000000000000001"):
        body["message"] |= {"messageId": delivery_id, "attributes": {"event_id": str(event.id), "topic": "entry.saved"}}
        assert (await memory.ingest.post(path, json=body)).status_code == 204
    assert [message.name for message in await memory.deliverer.waiting()] == ["entry.saved", "index-entry"]


async def test_a_task_delivered_again_later_does_nothing(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "once and no more")
    await memory.settle()
    before = await memory.entry(jiwoo, saved["id"])
    seen = list(memory.deliverer.delivered)
    for message in (*seen, *reversed(seen)):
        assert (await memory.deliverer.deliver(message)).status_code == 204
    await memory.settle()
    assert await memory.entry(jiwoo, saved["id"]) == before
    assert len(await memory.rows("SELECT 1 FROM maru.stream_events")) == 6


async def test_events_in_the_wrong_order_end_in_the_last_state(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "draft about maples")
    await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}", json={"body": "final about cedars"})
    first, second = await memory.deliverer.waiting()
    for message in (second, first):
        await memory.deliverer.deliver(message)
        await memory.deliverer.settle(message)
    late, early = sorted(await memory.deliverer.waiting(), key=lambda task: -task.body["version"])
    for message in (late, early):
        await memory.deliverer.deliver(message)
        await memory.deliverer.settle(message)
    assert await memory.hits(jiwoo, "maples") == []
    [hit] = await memory.hits(jiwoo, "cedars")
    assert hit["version"] == 2
    assert (await memory.entry(jiwoo, saved["id"]))["status"] == "ready"


async def test_a_save_that_arrives_after_the_deletion_brings_nothing_back(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "soon gone")
    await jiwoo.http.delete(f"/api/v1/entries/{saved['id']}")
    events = await memory.deliverer.waiting()
    for message in reversed(events):
        await memory.deliverer.deliver(message)
        await memory.deliverer.settle(message)
    await memory.settle()
    assert await memory.vectors.entry_points(saved["id"]) == []
    assert await memory.rows("SELECT 1 FROM maru.entries") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b'{"message": {}}',
        b'{"message": {"data": "e30=", "messageId": 7}}',
        b'{"message": {"data": "***", "messageId": "m"}}',
        b'{"message": {"data": "e30=", "messageId": "m", "attributes": {"event_id": 7}}}',
        b'{"message": {"data": "e30=", "messageId": "m", "attributes": ["event_id"]}}',
        b'{"message": {"data": "e30=", "messageId": "m", "attributes": {"event_id": "a", "x": null}}}',
        b'{"message": {"data": "e30=", "messageId": "m", "orderingKey": 7}}',
        json.dumps(_envelope([])).encode(),
        json.dumps(_envelope({"entry_id": "nobody"})).encode(),
        json.dumps(_envelope({"entry_id": "\x00"})).encode(),
        b"[" * 100_000,
    ],
)
async def test_a_message_that_can_never_be_handled_is_set_aside_with_the_reason(memory: Memory, body: bytes) -> None:
    answer = await memory.ingest.post(
        "/internal/push/entry.saved", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 204
    [parked] = await memory.rows("SELECT consumer, topic, reason FROM maru.parked_messages")
    assert (parked["consumer"], parked["topic"]) == ("ingest", "entry.saved")
    assert parked["reason"]
    assert await memory.deliverer.waiting() == []


async def test_a_task_that_can_never_be_done_is_set_aside(memory: Memory) -> None:
    answer = await memory.ingest.post("/internal/tasks/index-entry", json={"entry_id": "nobody"})
    assert answer.status_code == 204
    [parked] = await memory.rows("SELECT topic, reason FROM maru.parked_messages")
    assert parked["topic"] == "index-entry"
    assert "version" in parked["reason"]


async def test_topics_and_queues_nobody_serves_are_refused(memory: Memory) -> None:
    topic = await memory.ingest.post("/internal/push/moon.landed", json=_envelope({}))
    queue = await memory.ingest.post("/internal/tasks/fly-away", json={})
    assert (topic.status_code, topic.json()["code"]) == (404, "topic_unknown")
    assert (queue.status_code, queue.json()["code"]) == (404, "queue_unknown")
