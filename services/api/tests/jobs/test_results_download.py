"""All results of a job at once, by token and by link."""

from __future__ import annotations

import asyncio
import io
import time
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from api.jobs.errors import LinkExpired, LinkRefused
from api.jobs.result_links import ResultLinks
from api.main import build_app
from shared.testing.serving import served

from .conftest import Client, Machines, Shared

MIB = 2**20


async def link_to(client: Client, job_id: str) -> httpx.URL:
    answer = await client.http.post(f"/api/v1/jobs/{job_id}/results-link")
    assert answer.status_code == 200, answer.text
    return httpx.URL(answer.json()["url"])


async def test_results_come_in_the_jobs_order_under_their_inputs_names(client: Client, machines: Machines) -> None:
    cat, dog = await client.upload("고양이.jpeg"), await client.upload("dog.png")
    job_id = await client.job(name="내 사진/들")
    await client.enqueue(job_id, input_paths=[cat, dog, cat, dog])
    tasks = await machines.claim(job_id, 4)
    for task in reversed(tasks):
        await (machines.fail(task) if task["seq"] == 1 else machines.finish(task, f"result {task['seq']}".encode()))
    answer = await client.http.get(f"/api/v1/jobs/{job_id}/results.zip")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "%EB%82%B4%20%EC%82%AC%EC%A7%84_%EB%93%A4.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == {
            "고양이.png": b"result 0",
            "고양이 (2).png": b"result 2",
            "dog.png": b"result 3",
        }


async def test_without_results_there_is_nothing_to_download(client: Client, machines: Machines) -> None:
    job_id = await client.running(1)
    answer = await client.http.get(f"/api/v1/jobs/{job_id}/results.zip")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_results_yet")


async def test_a_result_that_is_gone_is_told_before_anything_is_sent(client: Client, machines: Machines) -> None:
    job_id = await client.running(1)
    [task] = await machines.claim(job_id)
    await machines.finish(task)
    await machines.storage.delete_prefix(f"spaces/{client.who.space_id}/jobs/")
    answer = await client.http.get(f"/api/v1/jobs/{job_id}/results.zip")
    assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")


async def test_more_results_than_one_page(client: Client, machines: Machines) -> None:
    job_id = await client.running(520)
    tasks = await machines.claim(job_id, 520)
    for task in tasks:
        await machines.finish(task, str(task["seq"]).encode())
    answer = await client.http.get(f"/api/v1/jobs/{job_id}/results.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert [archive.read(info) for info in archive.infolist()] == [str(number).encode() for number in range(520)]


@pytest.fixture
async def served_gateway(gateway_environment: dict[str, str]) -> AsyncIterator[str]:
    async with served(build_app(gateway_environment)) as url:
        yield url


async def test_a_large_archive_is_never_in_memory(
    client: Client, machines: Machines, served_gateway: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Results of 240 MiB, read by a client that takes its time now and then."""
    job_id = await client.running(3)
    for task in await machines.claim(job_id, 3):
        await machines.finish(task, b"small")
        key = f"spaces/{task['space_id']}/jobs/{job_id}/{task['id']}/1/output"
        await machines.storage.put(key, _zeros(80), "image/png")
    path = tmp_path_factory.mktemp("zip") / "results.zip"
    tracemalloc.start()
    try:
        async with httpx.AsyncClient(base_url=served_gateway, timeout=60) as http:
            headers = {"Authorization": f"Bearer {client.who.access_token}"}
            async with http.stream("GET", f"/api/v1/jobs/{job_id}/results.zip", headers=headers) as answer:
                assert answer.status_code == 200
                await asyncio.to_thread(path.touch)
                with path.open("wb") as file:
                    async for number, piece in _numbered(answer.aiter_raw()):
                        file.write(piece)
                        if number % 300 == 0:
                            await asyncio.sleep(0.05)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40 * MIB
    with zipfile.ZipFile(path) as archive:
        assert [info.file_size for info in archive.infolist()] == [80 * MIB] * 3
        assert archive.testzip() is None


async def _zeros(mib: int) -> AsyncIterator[bytes]:
    for _ in range(mib):
        yield bytes(MIB)


async def _numbered(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    number = 0
    async for piece in pieces:
        number += 1
        yield number, piece


async def test_whoever_leaves_in_the_middle_disturbs_nobody(
    client: Client, machines: Machines, served_gateway: str
) -> None:
    job_id = await client.running(1)
    [task] = await machines.claim(job_id)
    await machines.finish(task)
    key = f"spaces/{task['space_id']}/jobs/{job_id}/{task['id']}/1/output"
    await machines.storage.put(key, _zeros(40), "image/png")
    headers = {"Authorization": f"Bearer {client.who.access_token}"}
    async with httpx.AsyncClient(base_url=served_gateway, timeout=60, headers=headers) as http:
        for _ in range(3):
            async with http.stream("GET", f"/api/v1/jobs/{job_id}/results.zip") as answer:
                await anext(answer.aiter_raw())
        assert (await http.get(f"/api/v1/jobs/{job_id}")).status_code == 200


@pytest.fixture
async def finished(shared: Shared, machines: Machines) -> str:
    """A job of the shared space with one result."""
    job_id = await shared.editor.running(1, space_id=shared.id)
    [task] = await machines.claim(job_id)
    await machines.finish(task, b"a result")
    return job_id


async def test_a_link_opens_without_a_token(shared: Shared, finished: str, nobody: httpx.AsyncClient) -> None:
    url = await link_to(shared.viewer, finished)
    assert str(url).startswith("http://127.0.0.1:8000/downloads/")
    answer = await nobody.get(url.raw_path.decode())
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert [archive.read(info) for info in archive.infolist()] == [b"a result"]


async def test_a_link_that_was_changed_is_refused(shared: Shared, finished: str, nobody: httpx.AsyncClient) -> None:
    url = await link_to(shared.viewer, finished)
    mine = dict(url.params)
    later = str(int(mine["expires"]) + 3600)
    forged = [
        {},
        mine | {"expires": later},
        mine | {"expires": "0"},
        mine | {"expires": f"{mine['expires']}.0"},
        mine | {"expires": "١٢٣"},
        mine | {"by": shared.stranger.who.id},
        mine | {"by": mine["by"].upper()},
        mine | {"signature": mine["signature"][:-1] + ("0" if mine["signature"][-1] != "0" else "1")},
        mine | {"signature": ""},
        mine | {"signature": mine["signature"].upper()},
        {name: mine[name] for name in ("by", "expires")},
    ]
    for query in forged:
        answer = await nobody.get(url.path, params=query)
        assert (answer.status_code, answer.json()["code"]) == (403, "link_refused"), query


async def test_a_link_is_for_its_own_job(shared: Shared, finished: str, nobody: httpx.AsyncClient) -> None:
    url = await link_to(shared.viewer, finished)
    other = await shared.editor.running(1, space_id=shared.id)
    for job_id in (other, str(uuid4())):
        answer = await nobody.get(url.path.replace(finished, job_id), params=dict(url.params))
        assert (answer.status_code, answer.json()["code"]) == (403, "link_refused")


async def test_a_link_dies_with_its_makers_membership(shared: Shared, finished: str, nobody: httpx.AsyncClient) -> None:
    url = await link_to(shared.viewer, finished)
    shown_out = await shared.owner.http.delete(f"/api/v1/spaces/{shared.id}/members/{shared.viewer.who.id}")
    assert shown_out.status_code == 204
    answer = await nobody.get(url.raw_path.decode())
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


async def test_who_does_not_see_a_job_gets_no_link_and_no_archive(shared: Shared, finished: str) -> None:
    for method, name in (("POST", "results-link"), ("GET", "results.zip")):
        answer = await shared.stranger.http.request(method, f"/api/v1/jobs/{finished}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")


def test_a_link_is_good_for_its_time_and_while_its_key_is_known() -> None:
    now, old, new = [time.time()], b"the key before it", b"the key after that"
    job_id, person = uuid4(), uuid4()
    before, after = [ResultLinks("http://x", keys, clock=lambda: now[0]) for keys in ([old], [new, old])]
    parts = dict(httpx.URL(before.make(job_id, person, 300).url).params)
    assert after.person(job_id, **parts) == person
    with pytest.raises(LinkRefused):
        ResultLinks("http://x", [new]).person(job_id, **parts)
    now[0] += 301
    with pytest.raises(LinkExpired):
        after.person(job_id, **parts)
    with pytest.raises(ValueError, match="16 bytes"):
        ResultLinks("http://x", [b"short"])
    assert isinstance(person, UUID)
