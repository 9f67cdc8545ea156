"""Large outputs in parts, and an output that is replaced while it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from shared.storage import PartsGone
from shared.storage.keys import incoming_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest import Opening, Studio, WorkerAgent
    from shared.storage.folder import FolderStore
    from shared.storage.port import ObjectInfo

PART = 5 * 2**20
HEAD = b"\x89PNG\r\n\x1a\n"
LARGE = HEAD + bytes(2 * PART + 992)
SIZES = {"MARU_MULTIPART_MB": "5", "MARU_PART_MB": "5"}


async def _presigned(worker: WorkerAgent, task: dict[str, Any], size: int = len(LARGE), **more: Any) -> dict[str, Any]:
    body = {"task_id": task["task_id"], "attempt": task["attempt"], "type": "upload_output", "size": size}
    wanted = body | {"content_type": "image/png", "filename": "out.png", "parts": True} | more
    answer = await worker.call("presign", wanted)
    assert answer.status_code == 200, answer.text
    signed: dict[str, Any] = answer.json()
    return signed


async def _send(studio: Studio, part: dict[str, Any], data: bytes = LARGE) -> None:
    start = (part["number"] - 1) * PART
    await studio.upload(part, data[start : start + part["size"]])


def _numbers(signed: dict[str, Any]) -> list[int]:
    return [part["number"] for part in signed["parts"]]


async def test_an_output_in_parts_is_gone_on_with_and_taken_in(open_studio: Opening) -> None:
    studio: Studio = await open_studio(**SIZES)
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    signed = await _presigned(worker, task)
    assert (signed["part_size"], signed["part_count"], _numbers(signed)) == (PART, 3, [1, 2, 3])
    for part in (signed["parts"][2], signed["parts"][0]):
        await _send(studio, part)
    early = await worker.report(task, output_path=signed["output_path"])
    assert (early.status_code, early.json()["code"]) == (422, "output_missing")
    assert "1 of 3" in early.json()["detail"]
    again = await _presigned(worker, task)
    assert _numbers(again) == [2]
    await _send(studio, again["parts"][0])
    assert _numbers(await _presigned(worker, task)) == []
    done = await worker.report(task, output_path=signed["output_path"])
    assert done.json()["status"] == "done"
    assert (await worker.report(task, output_path=signed["output_path"])).json() == done.json()
    kept = b"".join([piece async for piece in studio.storage.read(signed["output_path"])])
    assert kept == LARGE
    with pytest.raises(PartsGone):
        await _send(studio, signed["parts"][0])


async def test_an_output_of_another_kind_in_parts_is_refused_and_can_be_sent_again(open_studio: Opening) -> None:
    studio: Studio = await open_studio(**SIZES)
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    signed = await _presigned(worker, task)
    for part in signed["parts"]:
        await _send(studio, part, bytes(len(LARGE)))
    refused = await worker.report(task, output_path=signed["output_path"])
    assert (refused.status_code, refused.json()["code"]) == (422, "output_differs")
    assert await studio.storage.head(signed["output_path"]) is None
    anew = await _presigned(worker, task)
    assert _numbers(anew) == [1, 2, 3]
    for part in anew["parts"]:
        await _send(studio, part)
    assert (await worker.report(task, output_path=signed["output_path"])).json()["status"] == "done"


async def test_only_who_asks_gets_parts_and_each_attempt_its_own(open_studio: Opening) -> None:
    studio: Studio = await open_studio(**SIZES)
    await studio.gateway.job(1)
    worker = await studio.worker()
    [first] = await worker.claim()
    assert (await _presigned(worker, first, parts=False))["parts"] is None
    assert (await _presigned(worker, first, size=PART - 1))["parts"] is None
    old = await _presigned(worker, first)
    await _send(studio, old["parts"][0])
    assert _numbers(await _presigned(worker, first, size=len(LARGE) - 1)) == [1, 2, 3]
    await worker.call("release", {"tasks": [{"task_id": first["task_id"], "attempt": 1}]})
    [second] = await worker.claim()
    assert _numbers(await _presigned(worker, second)) == [1, 2, 3]
    body = {"task_id": first["task_id"], "attempt": 1, "type": "upload_output", "size": len(LARGE), "parts": True}
    stale = await worker.call("presign", body | {"content_type": "image/png", "filename": "out.png"})
    assert (stale.status_code, stale.json()["code"]) == (409, "lease_lost")


async def test_an_output_in_one_piece_leaves_no_parts_behind(open_studio: Opening) -> None:
    studio: Studio = await open_studio(**SIZES)
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    signed = await _presigned(worker, task)
    await _send(studio, signed["parts"][0])
    await studio.upload(signed, LARGE)
    assert (await worker.report(task, output_path=signed["output_path"])).json()["status"] == "done"
    with pytest.raises(PartsGone):
        await _send(studio, signed["parts"][1])


async def test_an_output_replaced_while_it_is_looked_at_stays_out(open_studio: Opening) -> None:
    stores: list[StoreInWhichAFileIsReplaced] = []

    def wrap(store: FolderStore) -> StoreInWhichAFileIsReplaced:
        stores.append(StoreInWhichAFileIsReplaced(store))
        return stores[-1]

    studio: Studio = await open_studio(wrap)
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    small = HEAD + bytes(64)
    signed = await _presigned(worker, task, size=len(small))
    await studio.upload(signed, small)
    stores[0].replacement = (incoming_key(signed["output_path"]), b"<script>" + bytes(64))
    refused = await worker.report(task, output_path=signed["output_path"])
    assert (refused.status_code, refused.json()["code"]) == (422, "output_differs")
    assert await studio.storage.head(signed["output_path"]) is None
    await studio.upload(signed, small)
    assert (await worker.report(task, output_path=signed["output_path"])).json()["status"] == "done"


class StoreInWhichAFileIsReplaced:
    """A store in which `replacement` (key, bytes) comes once, just after the first bytes were looked at."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self.replacement: tuple[str, bytes] | None = None

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        async for piece in self._store.read(key, start, end):
            yield piece
        if self.replacement is not None:
            (place, body), self.replacement = self.replacement, None
            await self._store.put(place, body, "image/png")

    async def head(self, key: str) -> ObjectInfo | None:
        return await self._store.head(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
