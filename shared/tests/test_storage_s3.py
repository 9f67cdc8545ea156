"""The S3 adapter against a server that checks every signature."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from shared.storage import StorageAway
from shared.storage.s3 import Bucket, S3Store
from shared.testing.s3_peer import S3Peer, run_s3_peer
from shared.testing.storage_suite import CONTENT, ObjectStoreSuite, SignedAddressSuite, fresh_key, whole


@pytest.fixture(scope="module")
def running_peer() -> Iterator[S3Peer]:
    with run_s3_peer() as peer:
        yield peer


@pytest.fixture
def peer(running_peer: S3Peer) -> S3Peer:
    running_peer.clock_ahead_s = 0
    running_peer.keeps_checksums = True
    running_peer.failures.clear()
    running_peer.requests.clear()
    return running_peer


def bucket(peer: S3Peer, **changes: str) -> Bucket:
    settings = {
        "endpoint": peer.endpoint,
        "name": peer.bucket,
        "access_key": peer.access_key,
        "secret_key": peer.secret_key,
    }
    return Bucket(**{**settings, **changes})


@pytest.fixture
async def store(peer: S3Peer) -> AsyncIterator[S3Store]:
    store = S3Store(bucket(peer))
    yield store
    await store.close()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def pass_time(peer: S3Peer) -> Callable[[float], None]:
    def move(seconds: float) -> None:
        peer.clock_ahead_s += seconds

    return move


class TestS3Store(ObjectStoreSuite):
    """The port."""


class TestS3Addresses(SignedAddressSuite):
    """Its signed addresses."""

    async def test_a_browser_of_our_origin_may_upload(self, store: S3Store, http: httpx.AsyncClient) -> None:
        url = (await self.grant(store, fresh_key())).url
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
        ours = await http.options(url, headers={"Origin": "https://ui.example", **asked})
        theirs = await http.options(url, headers={"Origin": "https://elsewhere.example", **asked})
        assert (ours.status_code, theirs.status_code) == (204, 403)


async def test_a_wrong_key_is_refused_by_the_store(peer: S3Peer) -> None:
    store = S3Store(bucket(peer, secret_key="not-the-key"))
    with pytest.raises(StorageAway, match="SignatureDoesNotMatch"):
        await store.put(fresh_key(), b"x", "text/plain")
    with pytest.raises(StorageAway):
        await store.ready()
    await store.close()
    assert not peer.objects.keys() & {"x"}


async def test_a_store_that_stumbles_is_asked_again(peer: S3Peer, store: S3Store) -> None:
    key = fresh_key()
    peer.failures[:] = [500, 503]
    await store.put(key, CONTENT, "text/plain")
    assert await whole(store, key) == CONTENT


async def test_a_store_that_stays_down_is_said_to_be_away(peer: S3Peer, store: S3Store) -> None:
    peer.failures[:] = [500] * 3
    with pytest.raises(StorageAway):
        await store.head(fresh_key())


async def test_a_store_that_nobody_answers_for_is_away() -> None:
    store = S3Store(Bucket("http://127.0.0.1:9", "maru", "key", "secret"))
    with pytest.raises(StorageAway):
        await store.ready()
    await store.close()


async def test_a_hash_is_unknown_where_the_store_keeps_none(
    peer: S3Peer, store: S3Store, http: httpx.AsyncClient
) -> None:
    peer.keeps_checksums = False
    key = fresh_key()
    request = await store.presign_put(key, content_type="text/plain", size=len(CONTENT), expires_s=60)
    assert (await http.put(request.url, content=CONTENT, headers=request.headers)).status_code == 200
    info = await store.head(key)
    assert info is not None
    assert info.sha256 is None


async def test_more_objects_than_one_page_are_all_deleted(peer: S3Peer, store: S3Store) -> None:
    await store.put("many/first", b"x", "text/plain")
    template = peer.objects["many/first"]
    peer.objects.update({f"many/{n:05}": template for n in range(2_500)})
    assert await store.delete_prefix("many/") == 2_501
    assert not [key for key in peer.objects if key.startswith("many/")]


async def test_presigning_asks_nobody(peer: S3Peer, store: S3Store) -> None:
    await store.presign_get(fresh_key())
    await store.presign_put(fresh_key(), content_type="text/plain", size=1, expires_s=60)
    assert peer.requests == []
