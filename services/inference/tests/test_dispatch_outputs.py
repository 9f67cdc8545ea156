"""Addresses and outputs: what a worker may read and write, and what is looked at before a report is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from shared.storage import BodyDiffers, LinkRefused, StorageAway
from shared.storage.keys import incoming_key

if TYPE_CHECKING:
    from conftest import Opening, Studio, WorkerAgent
    from shared.storage.folder import FolderStore
    from shared.storage.port import ObjectInfo

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
JPEG = b"\xff\xd8\xff\xe0" + bytes(68)


async def _signed(worker: WorkerAgent, task: dict[str, Any], **more: Any) -> Any:
    body = {"content_type": "image/png", "size": len(PNG), "filename": "out.png"} | more
    return await worker.call(
        "presign", {"task_id": task["task_id"], "attempt": task["attempt"], "type": "upload_output"} | body
    )


async def test_the_input_is_read_by_an_address_of_its_own(studio: Studio) -> None:
    await studio.storage.put("spaces/in/original", PNG, "image/png")
    await studio.gateway.job(1, input_key="spaces/in/original")
    worker = await studio.worker()
    [task] = await worker.claim()
    body = {"task_id": task["task_id"], "attempt": 1, "type": "download_input"}
    address = urlsplit((await worker.call("presign", body)).json()["url"])
    grant = studio.storage.allowed("GET", address.path.removeprefix("/files/"), address.query)
    assert (grant.key, grant.filename) == ("spaces/in/original", "input.png")
    with pytest.raises(LinkRefused):
        studio.storage.allowed("PUT", grant.key, address.query)


async def test_a_task_without_an_input_says_so(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    answer = await worker.call("presign", {"task_id": task["task_id"], "attempt": 1, "type": "download_input"})
    assert (answer.status_code, answer.json()["code"]) == (404, "input_missing")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"content_type": None}, "upload_incomplete"),
        ({"size": None}, "upload_incomplete"),
        ({"filename": None}, "upload_incomplete"),
        ({"size": 6 * 2**30}, "output_too_large"),
        ({"size": 0}, "invalid"),
        ({"content_type": "application/x-msdownload"}, "output_type_not_taken"),
        ({"content_type": "image/png\r\nX-Evil: 1"}, "output_type_not_taken"),
    ],
)
async def test_an_upload_that_is_not_described_is_not_signed(studio: Studio, change: dict[str, Any], code: str) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    answer = await _signed(worker, task, **change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_an_address_takes_exactly_what_was_announced(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    signed = (await _signed(worker, task)).json()
    with pytest.raises(BodyDiffers):
        await studio.upload(signed, PNG + b"more")
    with pytest.raises(LinkRefused):
        await studio.upload({**signed, "url": signed["url"].replace("/1/output", "/2/output")}, PNG)
    missing = await worker.report(task, output_path=signed["output_path"])
    assert (missing.status_code, missing.json()["code"]) == (422, "output_missing")


async def test_a_report_names_what_this_attempt_was_allowed_to_upload(studio: Studio) -> None:
    job = await studio.gateway.job(2)
    worker = await studio.worker()
    one, other = await worker.claim(2)
    theirs = (await _signed(worker, other)).json()["output_path"]
    for path in (theirs, f"spaces/{job.space_id}/secret/original", "../../etc/passwd", ""):
        answer = await worker.report(one, output_path=path)
        assert answer.status_code == 422, path
        assert answer.json()["code"] == "output_not_allowed"
    assert (await worker.heartbeat(one))["extended"] == [one["task_id"]]


@pytest.mark.parametrize(
    ("stored", "content_type"), [(JPEG, "image/png"), (PNG, "image/jpeg"), (PNG[:-1], "image/png"), (b"", "image/png")]
)
async def test_what_lies_there_is_looked_at(studio: Studio, stored: bytes, content_type: str) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    path = (await _signed(worker, task)).json()["output_path"]
    await studio.storage.put(incoming_key(path), stored, content_type)
    answer = await worker.report(task, output_path=path)
    assert (answer.status_code, answer.json()["code"]) == (422, "output_differs")
    task_now = await studio.gateway.task(task["task_id"])
    assert (task_now["status"], task_now["output_key"]) == ("processing", None)
    await studio.storage.put(incoming_key(path), PNG, "image/png")
    assert (await worker.report(task, output_path=path)).json()["status"] == "done"


async def test_what_was_looked_at_cannot_be_replaced_by_the_address_it_came_through(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    signed = (await _signed(worker, task)).json()
    await studio.upload(signed, PNG)
    report = await worker.report(task, output_path=signed["output_path"])
    assert report.json()["status"] == "done"
    other = PNG[:-4] + bytes(4)
    await studio.upload(signed, other)
    assert (await worker.report(task, output_path=signed["output_path"])).json() == report.json()
    kept = b"".join([piece async for piece in studio.storage.read(signed["output_path"])])
    assert kept == PNG


async def test_an_upload_of_an_earlier_attempt_is_not_the_output_of_the_next(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [first] = await worker.claim()
    old = (await _signed(worker, first)).json()
    await worker.call("release", {"tasks": [{"task_id": first["task_id"], "attempt": 1}]})
    [second] = await worker.claim()
    await studio.upload(old, PNG)
    answer = await worker.report(second, output_path=old["output_path"])
    assert (answer.status_code, answer.json()["code"]) == (422, "output_not_allowed")
    assert (await _signed(worker, first)).json()["code"] == "lease_lost"


async def test_what_a_worker_made_late_is_looked_at_too(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    signed = (await _signed(worker, task)).json()
    await studio.gateway.silence([task["task_id"]])
    await studio.sweep()
    assert (await worker.report(task, output_path=signed["output_path"])).json()["code"] == "output_missing"
    await studio.upload(signed, PNG)
    assert (await worker.report(task, output_path=signed["output_path"])).json()["status"] == "done"


async def test_while_files_are_away_nothing_is_lost(open_studio: Opening) -> None:
    stores: list[StoreThatGoesAway] = []

    def wrap(store: FolderStore) -> StoreThatGoesAway:
        stores.append(StoreThatGoesAway(store))
        return stores[-1]

    studio: Studio = await open_studio(wrap)
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    signed = (await _signed(worker, task)).json()
    await studio.upload(signed, PNG)
    stores[0].away = True
    answer = await worker.report(task, output_path=signed["output_path"])
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert "retry-after" in answer.headers
    assert (await worker.heartbeat(task))["extended"] == [task["task_id"]]
    stores[0].away = False
    assert (await worker.report(task, output_path=signed["output_path"])).json()["status"] == "done"


class StoreThatGoesAway:
    """A store that can be away."""

    def __init__(self, store: FolderStore) -> None:
        self._store = store
        self.away = False

    async def head(self, key: str) -> ObjectInfo | None:
        if self.away:
            raise StorageAway
        return await self._store.head(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
