"""The index can be lost: everything in it is made again from Postgres."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ingest import reindex
from shared.db import Database
from shared.testing.memory import Memory
from shared.testing.postgres import RoleUrls


class _NoRelay:
    async def after_commit(self) -> None:
        """The test delivers by hand."""


async def test_a_fresh_index_is_filled_from_the_database(
    open_with: Any, database_urls: RoleUrls, tmp_path: Path
) -> None:
    memory: Memory = await open_with()
    jiwoo = await memory.person()
    space = (await jiwoo.http.post("/api/v1/spaces", json={"name": "Shared"})).json()["id"]
    saved = [
        await memory.note(jiwoo, f"Harvest report number {n}", space_id=space if n % 2 else None) for n in range(6)
    ]
    await memory.settle()
    await jiwoo.http.patch(f"/api/v1/entries/{saved[0]['id']}/insights", json={"topics": ["autumn fair"]})
    await memory.settle()
    before = await memory.hits(jiwoo, "harvest report", limit=20)
    assert len(before) == 6

    await memory.vectors.close()
    shutil.rmtree(tmp_path / "vectors")
    assert await memory.hits(jiwoo, "harvest report", limit=20) == []

    database = Database(database_urls.ingest, max_size=2)
    counts: list[int] = []
    try:
        for _ in range(2):
            assert await reindex.run(database, _NoRelay(), run_id="r1", report=counts.append) == 6
    finally:
        await database.close()
    assert counts[-1] == 6
    assert len(await memory.deliverer.waiting()) == 6
    await memory.settle()
    after = await memory.hits(jiwoo, "harvest report", limit=20)
    assert {hit["entry_id"] for hit in after} == {entry["id"] for entry in saved}
    narrowed = await memory.hits(jiwoo, "harvest report", filters={"topics": ["autumn fair"]})
    assert [hit["entry_id"] for hit in narrowed] == [saved[0]["id"]]
    for entry in saved:
        assert (await memory.entry(jiwoo, entry["id"]))["status"] == "ready"
