"""People edit and delete while work is under way."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from shared.testing.faulty_vectors import FaultyVectors
from shared.testing.memory import Memory


@pytest.fixture
async def held(open_with: Any) -> tuple[Memory, FaultyVectors]:
    """Memory whose index holds every write back until its gate opens."""
    memory: Memory = await open_with(wrap=FaultyVectors)
    return memory, cast("FaultyVectors", memory.vectors)


async def _working(memory: Memory, vectors: FaultyVectors) -> asyncio.Task[Any]:
    """Begin the one task that waits, and come back when it is about to write its vectors."""
    await memory.deliverer.once()
    [task] = [message for message in await memory.deliverer.waiting() if message.kind == "task"]
    vectors.gate = asyncio.Event()
    vectors.reached.clear()
    work = asyncio.create_task(memory.deliverer.deliver(task))
    await asyncio.wait_for(vectors.reached.wait(), 20)
    return work


async def test_a_deletion_while_vectors_are_written_wins(held: tuple[Memory, FaultyVectors]) -> None:
    memory, vectors = held
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "A thought that is taken back.")
    work = await _working(memory, vectors)
    deletion = asyncio.create_task(jiwoo.http.delete(f"/api/v1/entries/{saved['id']}"))
    assert vectors.gate is not None
    vectors.gate.set()
    assert (await work).status_code == 204
    assert (await deletion).status_code == 204
    await memory.settle()
    assert await memory.vectors.entry_points(saved["id"]) == []
    assert await memory.hits(jiwoo, "thought") == []
    for table in ("entries", "chunks", "insights", "streams"):
        assert await memory.rows(f"SELECT 1 FROM maru.{table}") == [], table


async def test_an_edit_while_vectors_are_written_wins(held: tuple[Memory, FaultyVectors]) -> None:
    memory, vectors = held
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "The meeting is on monday.")
    work = await _working(memory, vectors)
    edit = asyncio.create_task(
        jiwoo.http.patch(f"/api/v1/entries/{saved['id']}", json={"body": "The meeting is on thursday."})
    )
    assert vectors.gate is not None
    vectors.gate.set()
    assert (await work).status_code == 204
    assert (await edit).status_code == 200
    await memory.settle()
    assert (await memory.entry(jiwoo, saved["id"]))["status"] == "ready"
    [hit] = await memory.hits(jiwoo, "meeting", per_entry=5)
    assert (hit["version"], hit["text"]) == (2, "The meeting is on thursday.")
    assert len(await memory.vectors.entry_points(saved["id"])) == 1


async def test_a_new_title_while_vectors_are_written_is_searchable_in_the_end(
    held: tuple[Memory, FaultyVectors],
) -> None:
    memory, vectors = held
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "Nothing but rain today.", occurred_at="2024-01-01T00:00:00Z")
    work = await _working(memory, vectors)
    edit = asyncio.create_task(
        jiwoo.http.patch(
            f"/api/v1/entries/{saved['id']}", json={"title": "Monsoon", "occurred_at": "2020-07-01T00:00:00Z"}
        )
    )
    assert vectors.gate is not None
    vectors.gate.set()
    await asyncio.gather(work, edit)
    await memory.settle()
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "monsoon")] == [saved["id"]]
    summer = {"filters": {"from": "2020-07-01", "to": "2020-07-01"}}
    assert [hit["entry_id"] for hit in await memory.hits(jiwoo, "rain", **summer)] == [saved["id"]]


async def test_two_deliveries_at_once_do_the_work_once(held: tuple[Memory, FaultyVectors]) -> None:
    memory, vectors = held
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "Delivered twice at once.")
    work = await _working(memory, vectors)
    [task] = [message for message in await memory.deliverer.waiting() if message.kind == "task"]
    second = asyncio.create_task(memory.deliverer.deliver(task))
    assert vectors.gate is not None
    vectors.gate.set()
    assert [answer.status_code for answer in await asyncio.gather(work, second)] == [204, 204]
    assert vectors.calls.count("replace_entry") == 1
    assert (await memory.entry(jiwoo, saved["id"]))["status"] == "ready"


async def test_many_entries_at_once_are_all_found_and_counted(memory: Memory) -> None:
    jiwoo = await memory.person()
    saved = await asyncio.gather(*(memory.note(jiwoo, f"Postcard number {n} from the coast.") for n in range(24)))
    await memory.deliverer.once()
    tasks = [message for message in await memory.deliverer.waiting() if message.kind == "task"]
    answers = await asyncio.gather(*(memory.deliverer.deliver(task) for task in tasks))
    assert {answer.status_code for answer in answers} == {204}
    hits = await memory.hits(jiwoo, "postcard coast", limit=50)
    assert {hit["entry_id"] for hit in hits} == {entry["id"] for entry in saved}
    [statistics] = await memory.rows("SELECT chunk_count, term_count FROM maru.text_statistics")
    [counted] = await memory.rows("SELECT count(*) AS chunk_count, sum(length) AS term_count FROM maru.chunks")
    assert statistics == counted
