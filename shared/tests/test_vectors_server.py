"""A vector server that is too old, half set up, made for something else, overrun, silent or robbed of its collection."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse
from shared.settings import VectorSettings
from shared.testing.qdrant_peer import QdrantPeer, running_qdrant
from shared.text.sparse import document_vector, query_vector
from shared.text.tokenise import terms
from shared.vectors import (
    DenseSpace,
    PointPayload,
    SparseVector,
    VectorFilter,
    VectorHit,
    VectorIndex,
    VectorPoint,
    open_vectors,
    point_id,
)
from shared.vectors.edge import EdgeIndex
from shared.vectors.errors import KeyInTheOpen, VectorsUnavailable
from shared.vectors.qdrant import QdrantIndex

HOME = UUID(int=1)
SPACE = VectorFilter([HOME])
WORD = SparseVector([7], [1.0])
DENSE = DenseSpace("test-embedding", 4)


@pytest.fixture
def server() -> Iterator[QdrantPeer]:
    with running_qdrant() as peer:
        yield peer
        peer.going.set()


@pytest.fixture
async def client(server: QdrantPeer) -> AsyncIterator[AsyncQdrantClient]:
    """Somebody else at the same server."""
    client = AsyncQdrantClient(url=server.url, check_compatibility=False)
    yield client
    await client.close()


def point(text: str, dense: list[float] | None = None) -> VectorPoint:
    entry, at = uuid4(), datetime(2026, 3, 14, tzinfo=UTC)
    payload = PointPayload(entry, 1, 0, HOME, uuid4(), None, "note", [], [], at)
    return VectorPoint(point_id(entry, 1, 0), document_vector(terms(text, morphology=None), 20), dense, payload)


@pytest.mark.parametrize("version", ["1.18.3", "1.10.0", "0.11.0", "v1.18.0-rc.1"])
async def test_a_server_that_counts_rarity_across_tenants_is_refused(server: QdrantPeer, version: str) -> None:
    server.version = version
    index = QdrantIndex(server.url)
    with pytest.raises(VectorsUnavailable, match=r"1\.19 or newer"):
        await index.ready()
    assert [request for request in server.requests if request.startswith("PUT")] == []
    server.version = "1.19.0"
    await index.ready()
    await index.close()


@pytest.mark.parametrize("step", ["PUT /collections/{}/index", "POST /collections/aliases", "GET /aliases"])
async def test_a_collection_that_was_left_half_made_is_completed(server: QdrantPeer, step: str) -> None:
    first, second = QdrantIndex(server.url), QdrantIndex(server.url)
    server.failing.append(step.format(first.collection))
    with pytest.raises(VectorsUnavailable):
        await first.ready()
    await second.ready()
    assert len(server.indexes[second.collection]) == 9
    await second.upsert([point("river")])
    assert await second.count(SPACE) == 1
    await first.close()
    await second.close()


@pytest.mark.parametrize(
    ("vectors", "sparse"),
    [
        ({"dense": (3, "Cosine")}, models.Modifier.IDF),
        ({"dense": (4, "Dot")}, models.Modifier.IDF),
        ({"dense": (4, "Cosine")}, None),
        ({"other": (4, "Cosine")}, models.Modifier.IDF),
        ({}, models.Modifier.IDF),
    ],
    ids=["other length", "other distance", "no rarity", "other name", "no dense space"],
)
async def test_a_collection_made_for_something_else_is_not_written_to(
    server: QdrantPeer,
    client: AsyncQdrantClient,
    vectors: dict[str, tuple[int, str]],
    sparse: models.Modifier | None,
) -> None:
    index = QdrantIndex(server.url, dense=DENSE)
    await client.create_collection(
        index.collection,
        vectors_config={
            name: models.VectorParams(size=size, distance=models.Distance(distance))
            for name, (size, distance) in vectors.items()
        },
        sparse_vectors_config={"lexical": models.SparseVectorParams(modifier=sparse)},
    )
    with pytest.raises(VectorsUnavailable, match="maru reindex"):
        await index.upsert([point("river", [1, 0, 0, 0])])
    assert (await client.count(index.collection)).count == 0
    await index.close()


async def test_how_long_an_overrun_server_asks_for_is_passed_on(server: QdrantPeer) -> None:
    index = QdrantIndex(server.url)
    await index.ready()
    server.broken, server.retry_after = 429, 7
    with pytest.raises(VectorsUnavailable) as busy:
        await index.search(WORD, None, SPACE, 5)
    assert busy.value.headers["Retry-After"] == "7"
    server.broken = None
    assert await index.search(WORD, None, SPACE, 5) == []
    await index.close()


async def test_what_the_server_says_is_for_operators_alone(
    server: QdrantPeer, caplog: pytest.LogCaptureFixture
) -> None:
    index = QdrantIndex(server.url)
    server.broken = 500
    with pytest.raises(VectorsUnavailable) as broken:
        await index.ready()
    assert "out of order" not in broken.value.detail
    assert "out of order" in caplog.text
    await index.close()


async def test_a_silent_server_is_given_up_on_and_found_again(server: QdrantPeer) -> None:
    index = QdrantIndex(server.url, timeout_s=1)
    await index.ready()
    server.going.clear()
    with pytest.raises(VectorsUnavailable):
        await index.search(WORD, None, SPACE, 5)
    server.going.set()
    assert await index.search(WORD, None, SPACE, 5) == []
    await index.close()


async def test_one_connection_serves_call_after_call(server: QdrantPeer) -> None:
    index = QdrantIndex(server.url)
    for _ in range(10):
        await index.count(SPACE)
    assert len(server.callers) == 1
    await index.close()


async def test_a_collection_that_somebody_removed_is_made_again(server: QdrantPeer, client: AsyncQdrantClient) -> None:
    index = QdrantIndex(server.url)
    await index.upsert([point("river")])
    await client.delete_collection(index.collection)
    with pytest.raises(VectorsUnavailable):
        await index.count(SPACE)
    assert await index.count(SPACE) == 0
    await index.upsert([point("river")])
    assert await index.count(SPACE) == 1
    await index.close()


async def test_the_peer_is_as_strict_as_the_server(server: QdrantPeer, client: AsyncQdrantClient) -> None:
    index = QdrantIndex(server.url, dense=DENSE)
    await index.ready()
    name, sparse = index.collection, models.SparseVector(indices=[1], values=[1.0])
    short = models.PointStruct(id=1, vector={"dense": [1.0, 0.0], "lexical": sparse}, payload={})
    unindexed = models.Filter(must=[models.FieldCondition(key="title", match=models.MatchAny(any=["x"]))])
    for status, call in (
        (400, client.upsert(name, [short], wait=True)),
        (400, client.upsert(name, [], wait=False)),
        (400, client.count(name, unindexed, exact=True)),
        (400, client.query_points(name, query=[1.0] * 3, using="dense")),
        (404, client.count("elsewhere", exact=True)),
        (409, client.create_collection(name, vectors_config={})),
    ):
        with pytest.raises(UnexpectedResponse) as refused:
            await call
        assert refused.value.status_code == status
    await index.close()


def ranking(hits: list[VectorHit]) -> list[tuple[float, UUID]]:
    """By score, then by entry: two engines may order what is equal, and what no float tells apart, as they like."""
    return sorted(((round(hit.score, 5), hit.entry_id) for hit in hits), key=lambda found: (-found[0], found[1]))


async def test_words_and_meaning_rank_alike_on_a_server_and_in_a_folder(server: QdrantPeer, tmp_path: Path) -> None:
    rng = random.Random(11)
    words = ["강", "바다", "산책", "회의", "시장", "학교", "river", "sea", "walk", "meeting", "market", "school"]
    points = [
        point(" ".join(rng.choices(words, k=rng.randint(3, 9))), [rng.uniform(-1, 1) for _ in range(4)])
        for _ in range(60)
    ]
    remote, local = QdrantIndex(server.url, dense=DENSE), EdgeIndex(tmp_path, DENSE)
    everyone: tuple[VectorIndex, ...] = (remote, local)
    for index in everyone:
        await index.upsert(points)
    for _ in range(15):
        query = query_vector(terms(" ".join(rng.choices(words, k=3)), morphology=None))
        meaning = [rng.uniform(-1, 1) for _ in range(4)]
        for dense, sparse in ((meaning, SparseVector([], [])), (None, query)):
            there, here = [await index.search(sparse, dense, SPACE, 60) for index in everyone]
            assert [score for score, _ in ranking(there)] == pytest.approx(
                [score for score, _ in ranking(here)], abs=1e-4
            )
        there, here = [await index.search(query, meaning, SPACE, 10) for index in everyone]
        # Among equal words the rank, and with it the fused score, is either engine's to choose.
        assert len({hit.entry_id for hit in there} & {hit.entry_id for hit in here}) >= 8
    for index in everyone:
        await index.close()


@pytest.mark.parametrize(
    "url", ["http://vectors.example.com:6333", "http://8.8.8.8:6333", "http://[2001:4860:4860::8888]:6333"]
)
def test_a_key_is_not_sent_in_the_clear_to_a_stranger(url: str) -> None:
    with pytest.raises(KeyInTheOpen, match="Use https"):
        open_vectors(VectorSettings.from_env({"QDRANT_URL": url, "QDRANT_API_KEY": "secret-key"}))
    open_vectors(VectorSettings.from_env({"QDRANT_URL": url}))


@pytest.mark.parametrize(
    "url",
    [
        "https://vectors.example.com:6333",
        "http://127.0.0.1:6333",
        "http://localhost:6333",
        "http://qdrant:6333",
        "http://10.0.0.7:6333",
        "http://qdrant.internal:6333",
        "http://[::1]:6333",
    ],
)
def test_a_key_goes_by_tls_or_stays_in_a_private_network(url: str) -> None:
    open_vectors(VectorSettings.from_env({"QDRANT_URL": url, "QDRANT_API_KEY": "secret-key"}))
