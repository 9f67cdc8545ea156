"""Files in parts and versions of files: the S3 adapter on the wire, with a store that stumbles, and the folder's own promises."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from shared.storage import ObjectChanged, PartsGone, StorageAway
from shared.storage.folder import FolderStore
from shared.storage.parts import SMALLEST_PART, PartPlan, PartRules, assemble
from shared.storage.s3 import Bucket, S3Store
from shared.testing.s3_peer import S3Peer, Trouble, run_s3_peer
from shared.testing.storage_parts_suite import PLAN, PartsSuite, VersionSuite, cut, file_bytes, send_part
from shared.testing.storage_suite import CONTENT, fresh_key, whole

SECRET = b"a secret for tests"
MB = 2**20


@pytest.fixture(scope="module")
def running_peer() -> Iterator[S3Peer]:
    with run_s3_peer() as peer:
        yield peer


@pytest.fixture
def peer(running_peer: S3Peer) -> S3Peer:
    running_peer.forget()
    return running_peer


@pytest.fixture
async def bucket(peer: S3Peer) -> AsyncIterator[S3Store]:
    store = S3Store(Bucket(peer.endpoint, peer.bucket, peer.access_key, peer.secret_key, silence_s=0.5))
    yield store
    peer.go_on.set()
    await store.close()


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "files", "http://127.0.0.1:8000", [SECRET])


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


class TestBucketParts(PartsSuite):
    """The port, on a bucket."""

    @pytest.fixture
    def store(self, bucket: S3Store) -> S3Store:
        return bucket

    @pytest.fixture
    def pass_time(self, peer: S3Peer) -> Callable[[float], None]:
        def move(seconds: float) -> None:
            peer.clock_ahead_s += seconds

        return move


class TestBucketVersions(VersionSuite):
    """The port, on a bucket."""

    @pytest.fixture
    def store(self, bucket: S3Store) -> S3Store:
        return bucket


class TestFolderVersions(VersionSuite):
    """The port, on a folder."""

    @pytest.fixture
    def store(self, folder: FolderStore) -> FolderStore:
        return folder


@pytest.mark.parametrize("trouble", ["stalls", "breaks", "loses the answer"])
@pytest.mark.parametrize("call", ["POST ?uploads", "GET", "POST ?uploadId", "HEAD"])
async def test_a_store_that_stumbles_over_parts_is_asked_again(
    peer: S3Peer, bucket: S3Store, http: httpx.AsyncClient, call: str, trouble: Trouble
) -> None:
    method, _, query = call.partition(" ")
    key, data = fresh_key(), file_bytes()
    wanted = f"{method} /{peer.bucket}/{key}{query}"
    if query == "?uploads":
        peer.troubles.append((wanted, trouble))
    parts_id = await bucket.begin_parts(key, content_type="text/plain")
    for number, body in cut(data):
        assert (await send_part(bucket, http, key, parts_id, number, body)).status_code == 200
    if query != "?uploads":
        peer.troubles.append((wanted, trouble))
    joined = await assemble(bucket, key, parts_id, PLAN)
    assert peer.troubles == []
    assert joined.size == len(data)
    assert peer.objects[key].body == data


async def test_an_answer_of_completing_that_is_lost_for_good_can_be_asked_for_again(
    peer: S3Peer, bucket: S3Store, http: httpx.AsyncClient
) -> None:
    key = fresh_key()
    parts_id = await bucket.begin_parts(key, content_type="text/plain")
    await send_part(bucket, http, key, parts_id, 1, CONTENT)
    parts = await bucket.list_parts(key, parts_id)
    peer.troubles[:] = [(f"POST /{peer.bucket}/{key}?uploadId", "loses the answer")]
    peer.troubles += [(f"POST /{peer.bucket}/{key}?uploadId", "breaks")] * 2
    with pytest.raises(StorageAway):
        await bucket.complete_parts(key, parts_id, parts)
    assert (await bucket.complete_parts(key, parts_id, parts)).size == len(CONTENT)
    assert peer.objects[key].body == CONTENT


@pytest.mark.parametrize("statuses", [[503], [503, 500], [500, 503]])
async def test_a_store_that_is_overrun_is_asked_again(peer: S3Peer, bucket: S3Store, statuses: list[int]) -> None:
    key = fresh_key()
    peer.failures[:] = statuses
    parts_id = await bucket.begin_parts(key, content_type="text/plain")
    peer.failures[:] = statuses
    assert await bucket.list_parts(key, parts_id) == []
    peer.failures[:] = statuses
    await bucket.abort_parts(key, parts_id)
    assert peer.uploads.open == {}
    peer.failures[:] = [503] * 3
    with pytest.raises(StorageAway, match="SlowDown"):
        await bucket.begin_parts(key, content_type="text/plain")


async def test_a_part_whose_connection_breaks_midway_leaves_nothing_and_can_be_sent_again(
    peer: S3Peer, bucket: S3Store, http: httpx.AsyncClient
) -> None:
    key = fresh_key()
    parts_id = await bucket.begin_parts(key, content_type="text/plain")
    peer.troubles.append((f"PUT /{peer.bucket}/{key}", "breaks"))
    with pytest.raises(httpx.TransportError):
        await send_part(bucket, http, key, parts_id, 1, bytes(SMALLEST_PART))
    assert await bucket.list_parts(key, parts_id) == []
    assert (await send_part(bucket, http, key, parts_id, 1, bytes(SMALLEST_PART))).status_code == 200


async def test_an_object_replaced_in_the_very_moment_of_its_promotion_stays_out(peer: S3Peer, bucket: S3Store) -> None:
    source, target = fresh_key(), fresh_key()
    await bucket.put(source, CONTENT, "text/plain")
    seen = await bucket.head(source)
    assert seen is not None
    replacement = peer.objects[source].__class__(CONTENT[::-1], "text/plain")

    def replace() -> None:
        peer.objects[source] = replacement

    peer.before_copy = replace
    with pytest.raises(ObjectChanged):
        await bucket.promote(source, target, etag=seen.etag)
    assert target not in peer.objects


async def test_presigning_parts_asks_nobody(peer: S3Peer, bucket: S3Store) -> None:
    await bucket.presign_part(fresh_key(), "an-upload", 1, size=1, expires_s=60)
    assert peer.requests == []


async def test_parts_that_nobody_completes_are_forgotten_after_a_day(folder: FolderStore, tmp_path: Path) -> None:
    key = fresh_key()
    late, young = [await folder.begin_parts(key, content_type="text/plain") for _ in range(2)]
    day_before = time.time() - 100_000
    os.utime(tmp_path / "files" / ".parts" / f"{key}~" / late, (day_before, day_before))
    assert await folder.forget_incoming() == 1
    assert await folder.forget_incoming() == 0
    with pytest.raises(PartsGone):
        await folder.list_parts(key, late)
    assert await folder.list_parts(key, young) == []


async def test_beginning_and_giving_up_beside_each_other_leaves_nothing(folder: FolderStore, tmp_path: Path) -> None:
    key = fresh_key()

    async def begin_and_abort() -> None:
        for _ in range(20):
            parts_id = await folder.begin_parts(key, content_type="text/plain")
            assert await folder.list_parts(key, parts_id) == []
            await folder.abort_parts(key, parts_id)

    await asyncio.gather(*(begin_and_abort() for _ in range(4)))
    assert [path for path in (tmp_path / "files").rglob("*") if path.name != ".drafts"] == []


@pytest.mark.parametrize(
    ("size", "sizes"),
    [(63 * MB, None), (64 * MB, [16 * MB] * 4), (64 * MB + 1, [*[16 * MB] * 4, 1]), (200 * MB, [16 * MB] * 12)],
)
def test_a_large_file_is_cut_into_equal_parts(size: int, sizes: list[int] | None) -> None:
    plan = PartRules().plan(size)
    if sizes is None or plan is None:
        assert plan is sizes
        return
    assert [plan.size_of(number) for number in range(1, plan.count + 1)][: len(sizes)] == sizes
    assert sum(plan.size_of(number) for number in range(1, plan.count + 1)) == size


def test_there_are_never_more_parts_than_a_store_takes() -> None:
    plan = PartRules().plan(2**40)
    assert plan is not None
    assert plan.count <= 10_000
    assert plan.size_of(plan.count) == 2**40 - (plan.count - 1) * plan.part_size


@pytest.mark.parametrize("variables", [{"MARU_PART_MB": "4"}, {"MARU_MULTIPART_MB": "0"}, {"MARU_MULTIPART_MB": "-1"}])
def test_parts_that_no_store_takes_are_refused(variables: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="MARU_"):
        PartRules.from_env(variables)


async def test_the_parts_of_a_folder_become_the_file_also_beside_each_other(folder: FolderStore) -> None:
    key, plan = fresh_key(), PartPlan(len(CONTENT), SMALLEST_PART)
    parts_id = await folder.begin_parts(key, content_type="text/plain")
    request = await folder.presign_part(key, parts_id, 1, size=len(CONTENT), expires_s=60)
    path, _, query = request.url.partition("/files/")[2].partition("?")

    async def body() -> AsyncIterator[bytes]:
        yield CONTENT

    await folder.receive(folder.allowed("PUT", path, query), body())
    parts = await folder.list_parts(key, parts_id)
    joined = await asyncio.gather(*(folder.complete_parts(key, parts_id, parts) for _ in range(4)))
    assert {info.size for info in joined} == {plan.size}
    assert await whole(folder, key) == CONTENT
