"""Memory stays flat while an archive of hundreds of megabytes leaves the gateway, also when whoever downloads it stops reading."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from shared.settings import StorageSettings
from shared.storage import open_storage
from shared.storage.keys import output_key

_FILES, _FILE_MIB = 6, 50
_GROWTH_MIB = 24
_PIECE = 1024 * 1024


async def pieces(mib: int) -> AsyncIterator[bytes]:
    piece = os.urandom(_PIECE)
    for _ in range(mib):
        yield piece


async def job_with_results(studio: Any, files: int, mib: int) -> tuple[Any, str]:
    """A job whose tasks are done, each with a file of this size."""
    client, space = await studio.person()
    job = await studio.job(client, ["fine"] * files)
    worker = studio.worker(studio.token())
    storage = open_storage(StorageSettings.from_env(studio.api.env))
    answer = await worker.call("next-task", {"worker_id": "one", "max_tasks": files})
    for task in answer.body["tasks"]:
        key = output_key(UUID(space), UUID(job["id"]), UUID(task["task_id"]), task["attempt"])
        await storage.put(key, pieces(mib), "image/png")
        report = {"task_id": task["task_id"], "attempt": task["attempt"], "status": "done"}
        assert (await worker.call("report", report)).status == 200
        with studio.database() as owner:
            owner.execute(
                "UPDATE maru.tasks SET output_key = %s, output_type = 'image/png', output_name = 'result.png', output_size = %s WHERE id = %s",
                (key, mib * _PIECE, task["task_id"]),
            )
    await storage.close()
    return client, f"/api/v1/jobs/{job['id']}/results.zip"


async def test_an_archive_of_300_mb_passes_through_a_few(studio: Any) -> None:
    small_client, small = await job_with_results(studio, 2, 1)
    client, large = await job_with_results(studio, _FILES, _FILE_MIB)
    warm = await small_client.get(small)
    assert warm.status_code == 200, warm.text
    before, received = studio.api.resident_mib(), 0
    async with client.stream("GET", large) as answer:
        assert answer.status_code == 200
        async for piece in answer.aiter_raw():
            if received < 20 * _PIECE <= received + len(piece):
                # Nobody reads for a while: what was not asked for must not pile up in the gateway.
                for _ in range(10):
                    await asyncio.sleep(0.05)
                    assert studio.api.peak_mib() - before < _GROWTH_MIB
            received += len(piece)
    assert received > _FILES * _FILE_MIB * _PIECE
    assert studio.api.peak_mib() - before < _GROWTH_MIB
