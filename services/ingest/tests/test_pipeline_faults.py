"""Whatever fails or dies on the way, an entry ends up ready or failed with a cause, and nothing is done twice."""

from __future__ import annotations

from typing import Any, cast

import pytest
from ingest.pipeline.failures import MAX_ATTEMPTS
from shared.testing.faulty_vectors import FaultyVectors, ProcessDied
from shared.testing.memory import Memory, events_of
from shared.vectors.errors import VectorsUnavailable

TEXT = "The old clock in the hall struck seven."


@pytest.fixture
async def faulty(open_with: Any) -> tuple[Memory, FaultyVectors]:
    memory: Memory = await open_with(wrap=FaultyVectors)
    return memory, cast("FaultyVectors", memory.vectors)


async def _deliver_until_task(memory: Memory) -> Any:
    """Deliver the saved event and hand back the task that follows from it."""
    await memory.deliverer.once()
    [task] = await memory.deliverer.waiting()
    assert task.name == "index-entry"
    return task


async def _whole(memory: Memory, who: Any, entry_id: str) -> None:
    """The entry is ready, found once, and its stream tells every step once."""
    entry = await memory.entry(who, entry_id)
    assert entry["status"] == "ready", entry["error"]
    assert [hit["entry_id"] for hit in await memory.hits(who, "clock", per_entry=5)] == [entry_id]
    events = events_of((await who.http.get(f"/api/v1/entries/{entry_id}/events")).text)
    finished = [event.data["step"] for event in events if event.data.get("state") in {"done", "skipped"}]
    assert finished == ["parse", "chunk", "embed", "index", "insights"]
    assert [event.type for event in events if event.type != "step"] == ["done"]
    assert len(await memory.vectors.entry_points(entry_id)) == 1
    assert len(await memory.rows("SELECT 1 FROM maru.chunks WHERE entry_id = $1", entry_id)) == 1


async def test_an_index_that_is_away_for_a_moment_delays_and_loses_nothing(
    faulty: tuple[Memory, FaultyVectors],
) -> None:
    memory, vectors = faulty
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    task = await _deliver_until_task(memory)
    vectors.fails["replace_entry"] = [VectorsUnavailable() for _ in range(3)]
    for _ in range(3):
        answer = await memory.deliverer.deliver(task)
        assert (answer.status_code, answer.json()["code"]) == (503, "try_again")
        assert "retry-after" in answer.headers
        assert (await memory.entry(jiwoo, saved["id"]))["status"] == "processing"
    await memory.settle()
    await _whole(memory, jiwoo, saved["id"])


async def test_after_all_attempts_the_entry_has_failed_with_a_cause_and_a_retry_goes_on_from_there(
    faulty: tuple[Memory, FaultyVectors],
) -> None:
    memory, vectors = faulty
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    task = await _deliver_until_task(memory)
    vectors.fails["replace_entry"] = [VectorsUnavailable("The index is away.") for _ in range(MAX_ATTEMPTS)]
    answers = [await memory.deliverer.deliver(task) for _ in range(MAX_ATTEMPTS)]
    assert [answer.status_code for answer in answers] == [503] * (MAX_ATTEMPTS - 1) + [204]

    entry = await memory.entry(jiwoo, saved["id"])
    assert entry["status"] == "failed"
    assert entry["error"] == {"code": "vectors_unavailable", "detail": "The index is away.", "step": "index"}
    assert {"step": "index", "state": "failed"} in entry["steps"]
    events = events_of((await jiwoo.http.get(f"/api/v1/entries/{saved['id']}/events")).text)
    assert events[-1].type == "failed"
    assert events[-1].data["code"] == "vectors_unavailable"
    await memory.settle()

    retried = await jiwoo.http.post(f"/api/v1/entries/{saved['id']}/retry")
    assert (retried.status_code, retried.json()["status"], retried.json()["error"]) == (202, "processing", None)
    assert retried.json()["version"] == 1
    assert retried.json()["stream_id"] != saved["stream_id"]
    await memory.settle()
    assert (await memory.entry(jiwoo, saved["id"]))["status"] == "ready"
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "clock")] == [saved["id"]]


async def test_a_process_that_dies_after_its_vectors_and_before_its_commit_is_made_good(
    faulty: tuple[Memory, FaultyVectors],
) -> None:
    memory, vectors = faulty
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    task = await _deliver_until_task(memory)
    vectors.dies_after.add("replace_entry")
    with pytest.raises(ProcessDied):
        await memory.deliverer.deliver(task)
    assert len(await memory.vectors.entry_points(saved["id"])) == 1
    assert await memory.hits(jiwoo, "clock") == []
    await memory.settle()
    await _whole(memory, jiwoo, saved["id"])


async def test_a_deletion_after_such_a_death_leaves_no_orphan(faulty: tuple[Memory, FaultyVectors]) -> None:
    memory, vectors = faulty
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    task = await _deliver_until_task(memory)
    vectors.dies_after.add("replace_entry")
    with pytest.raises(ProcessDied):
        await memory.deliverer.deliver(task)
    await jiwoo.http.delete(f"/api/v1/entries/{saved['id']}")
    # The deletion is handled first, the task that died is delivered again after it.
    for message in sorted(await memory.deliverer.waiting(), key=lambda message: message.kind):
        assert (await memory.deliverer.deliver(message)).is_success
        await memory.deliverer.settle(message)
    await memory.settle()
    assert await memory.vectors.entry_points(saved["id"]) == []


async def test_an_entry_that_kills_the_process_every_time_is_set_aside(faulty: tuple[Memory, FaultyVectors]) -> None:
    memory, vectors = faulty
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    task = await _deliver_until_task(memory)
    for _ in range(MAX_ATTEMPTS):
        vectors.fails["replace_entry"] = [ProcessDied()]
        with pytest.raises(ProcessDied):
            await memory.deliverer.deliver(task)
    assert (await memory.deliverer.deliver(task)).status_code == 204
    entry = await memory.entry(jiwoo, saved["id"])
    assert (entry["status"], entry["error"]["code"]) == ("failed", "work_crashed")


async def test_our_own_fault_is_tried_again_and_told_without_its_innards(faulty: tuple[Memory, FaultyVectors]) -> None:
    memory, vectors = faulty
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    task = await _deliver_until_task(memory)
    vectors.fails["replace_entry"] = [KeyError("secret detail") for _ in range(MAX_ATTEMPTS)]
    for _ in range(MAX_ATTEMPTS):
        await memory.deliverer.deliver(task)
    error = (await memory.entry(jiwoo, saved["id"]))["error"]
    assert error["code"] == "internal_error"
    assert "secret" not in str(error)


async def test_the_sweep_takes_up_what_stands_still_and_leaves_alone_what_works(memory: Memory) -> None:
    jiwoo = await memory.person()
    lost = await memory.note(jiwoo, TEXT)
    # The event is lost on the way, for instance in a dead letter queue.
    for message in await memory.deliverer.waiting():
        await memory.deliverer.settle(message)
    assert (await memory.ingest.post("/internal/sweep")).status_code == 204
    assert await memory.deliverer.waiting() == []
    await memory.rows(
        "UPDATE maru.entries SET worked_at = now() - interval '1 hour' WHERE id = $1 RETURNING 1", lost["id"]
    )
    for _ in range(3):
        assert (await memory.ingest.post("/internal/sweep")).status_code == 204
    assert [message.name for message in await memory.deliverer.waiting()] == ["index-entry"]
    await memory.settle()
    await _whole(memory, jiwoo, lost["id"])


async def test_what_failed_for_a_dependency_is_tried_again_without_a_hand(
    faulty: tuple[Memory, FaultyVectors],
) -> None:
    memory, vectors = faulty
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, TEXT)
    task = await _deliver_until_task(memory)
    vectors.fails["replace_entry"] = [VectorsUnavailable() for _ in range(MAX_ATTEMPTS)]
    for _ in range(MAX_ATTEMPTS):
        await memory.deliverer.deliver(task)
    await memory.deliverer.settle(task)
    await memory.rows("UPDATE maru.entries SET retry_at = now() - interval '1 second' RETURNING 1")
    assert (await memory.ingest.post("/internal/sweep")).status_code == 204
    await memory.settle()
    assert (await memory.entry(jiwoo, saved["id"]))["status"] == "ready"


async def test_callbacks_need_proof_of_who_calls(memory: Memory) -> None:
    for path in ("/internal/sweep", "/internal/tasks/index-entry", "/internal/push/entry.saved"):
        answer = await memory.ingest.post(path, json={}, headers={"Authorization": "Bearer forged"})
        assert (answer.status_code, answer.json()["code"]) == (401, "callback_forged")
