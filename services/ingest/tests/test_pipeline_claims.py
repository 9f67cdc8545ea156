"""Who may write about an entry: the last who claimed it, as long as it is what they claimed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
from ingest.pipeline import store
from ingest.pipeline.progress import Progress
from ingest.pipeline.work import ClaimLost, Ending, IndexTask, Work
from shared.db import Database
from shared.streams import StreamHub
from shared.testing.identity import Somebody
from shared.testing.memory import Memory
from shared.testing.postgres import RoleUrls
from shared.testing.waiting import eventually


@pytest.fixture
async def database(database_urls: RoleUrls) -> AsyncGenerator[Database]:
    database = Database(database_urls.ingest, max_size=3)
    yield database
    await database.close()


async def _claim(database: Database, entry: dict[str, Any]) -> Work | None:
    task = IndexTask(UUID(entry["id"]), entry["version"], UUID(entry["space_id"]))
    async with database.space_tx(task.space_id) as connection:
        return await store.claim(connection, task)


async def _claimed(database: Database, entry: dict[str, Any]) -> Progress:
    work = await _claim(database, entry)
    assert work is not None
    return Progress(work, database, StreamHub(), sign_of_life_s=0.02)


@pytest.fixture
async def jiwoo(memory: Memory) -> Somebody:
    return await memory.person()


async def test_slow_work_gives_signs_of_life(memory: Memory, jiwoo: Somebody, database: Database) -> None:
    saved = await memory.note(jiwoo, "A long story.")
    progress = await _claimed(database, saved)
    await memory.rows("UPDATE maru.entries SET worked_at = now() - interval '1 hour' RETURNING 1")

    async def fresh() -> bool:
        return bool(await memory.rows("SELECT 1 FROM maru.entries WHERE worked_at > now() - interval '1 minute'"))

    assert not await fresh()
    async with progress.alive():
        await eventually(fresh)


async def test_a_later_claim_takes_the_right_to_write_away(memory: Memory, jiwoo: Somebody, database: Database) -> None:
    saved = await memory.note(jiwoo, "Two at once.")
    first, second = await _claimed(database, saved), await _claimed(database, saved)
    with pytest.raises(ClaimLost):
        await first.begin("parse")
    async with second.saving(("parse", "done")):
        pass
    assert (await memory.entry(jiwoo, saved["id"]))["steps"] == [{"step": "parse", "state": "done"}]


@pytest.mark.parametrize("method", ["edit", "delete"])
async def test_an_edit_or_a_deletion_takes_it_away_too(
    memory: Memory, jiwoo: Somebody, database: Database, method: str
) -> None:
    saved = await memory.note(jiwoo, "Soon different.")
    progress = await _claimed(database, saved)
    if method == "edit":
        await jiwoo.http.patch(f"/api/v1/entries/{saved['id']}", json={"body": "Different."})
    else:
        await jiwoo.http.delete(f"/api/v1/entries/{saved['id']}")
    with pytest.raises(ClaimLost):
        async with progress.saving(ending=Ending("ready")):
            pass
    assert await _claim(database, saved) is None


async def test_what_fails_to_commit_is_told_by_the_next_who_commits(
    memory: Memory, jiwoo: Somebody, database: Database
) -> None:
    saved = await memory.note(jiwoo, "Once more.")
    progress = await _claimed(database, saved)
    progress.done("parse")
    with pytest.raises(RuntimeError):
        async with progress.saving(("index", "done"), indexed=True):
            raise RuntimeError
    async with progress.saving(("index", "failed")):
        pass
    steps = (await memory.entry(jiwoo, saved["id"]))["steps"]
    assert steps == [{"step": "parse", "state": "done"}, {"step": "index", "state": "failed"}]
    assert await memory.rows("SELECT 1 FROM maru.entries WHERE indexed_version IS NOT NULL") == []


async def test_only_new_ground_starts_the_count_of_attempts_anew(
    memory: Memory, jiwoo: Somebody, database: Database
) -> None:
    saved = await memory.note(jiwoo, "Again and again.")
    for expected in (1, 2, 3):
        progress = await _claimed(database, saved)
        assert progress.attempt == expected
        await progress.begin("parse")
    progress.done("parse")
    async with progress.saving():
        pass
    assert progress.attempt == 1
    again = await _claimed(database, saved)
    async with again.saving(("parse", "done")):
        pass
    assert (await _claimed(database, saved)).attempt == 2


async def test_another_space_is_out_of_reach(memory: Memory, jiwoo: Somebody, database: Database) -> None:
    minho = await memory.person("minho")
    saved = await memory.note(jiwoo, "Mine.")
    assert await _claim(database, {**saved, "space_id": minho.space_id}) is None
