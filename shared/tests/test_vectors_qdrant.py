"""What holds for the adapter to a server: its collection, its alias, and a server that is away."""

import asyncio
import socket
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from qdrant_client import AsyncQdrantClient
from shared.settings import VectorSettings
from shared.testing.qdrant_peer import QdrantPeer, running_qdrant
from shared.vectors import DenseSpace, SparseVector, VectorFilter, open_vectors
from shared.vectors.edge import EdgeIndex
from shared.vectors.errors import VectorsUnavailable
from shared.vectors.qdrant import QdrantIndex
from shared.vectors.remote import RemoteIndex

SPACE = VectorFilter([UUID(int=1)])
WORD = SparseVector([7], [1.0])


@pytest.fixture
def server() -> Iterator[QdrantPeer]:
    with running_qdrant() as peer:
        yield peer


async def _aliases(server: QdrantPeer) -> dict[str, str]:
    client = AsyncQdrantClient(url=server.url, check_compatibility=False)
    found = (await client.get_aliases()).aliases
    await client.close()
    return {alias.alias_name: alias.collection_name for alias in found}


async def test_the_first_collection_gets_the_alias_and_a_later_one_only_when_published(server: QdrantPeer) -> None:
    first, second = QdrantIndex(server.url), QdrantIndex(server.url, dense=DenseSpace("model", 4))
    await first.ready()
    await second.ready()
    assert await _aliases(server) == {"entries_v1": first.collection}
    await second.publish()
    await second.publish()
    assert await _aliases(server) == {"entries_v1": second.collection}
    await first.close()
    await second.close()


async def test_the_collection_and_its_field_indexes_are_made_once(server: QdrantPeer) -> None:
    for _ in range(2):
        index = QdrantIndex(server.url)
        await asyncio.gather(*(index.count(SPACE) for _ in range(5)))
        await index.close()
    made = [request for request in server.requests if request.startswith("PUT")]
    assert made.count(f"PUT /collections/{index.collection}") == 1
    assert made.count(f"PUT /collections/{index.collection}/index") == 9


async def test_the_key_is_sent(server: QdrantPeer) -> None:
    server.api_key = "secret"
    with pytest.raises(VectorsUnavailable):
        await QdrantIndex(server.url).ready()
    index = QdrantIndex(server.url, api_key="secret")
    await index.ready()
    await index.close()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_out_of_order_is_unavailable_and_is_found_again(server: QdrantPeer, status: int) -> None:
    index = QdrantIndex(server.url)
    await index.ready()
    server.broken = status
    for call in (
        index.search(WORD, None, SPACE, 5),
        index.count(SPACE),
        index.ready(),
        index.entry_points(uuid4()),
        index.delete_entry(uuid4()),
        index.replace_entry(uuid4(), 1, []),
    ):
        with pytest.raises(VectorsUnavailable):
            await call
    server.broken = None
    assert await index.search(WORD, None, SPACE, 5) == []
    await index.close()


async def test_a_server_that_fails_while_the_collection_is_made_is_tried_again(server: QdrantPeer) -> None:
    index = QdrantIndex(server.url)
    server.broken = 500
    with pytest.raises(VectorsUnavailable):
        await index.ready()
    server.broken = None
    await index.ready()
    await index.close()


async def test_nobody_listening_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(VectorsUnavailable):
        await QdrantIndex(f"http://127.0.0.1:{port}").ready()


@pytest.mark.parametrize(
    ("variables", "kind"),
    [
        ({"MARU_HOME": "/tmp/nowhere"}, EdgeIndex),
        ({"MARU_HOME": "/tmp/nowhere", "MARU_VECTORS_SOCKET": "/tmp/nowhere/s"}, RemoteIndex),
        ({"MARU_HOME": "/tmp/nowhere", "QDRANT_URL": "http://127.0.0.1:1"}, QdrantIndex),
    ],
)
async def test_the_settings_choose_the_engine_and_opening_touches_nothing(
    variables: dict[str, str], kind: type
) -> None:
    index = open_vectors(VectorSettings.from_env(variables))
    assert isinstance(index, kind)
    assert index.dense is None
    await index.close()


async def test_a_configured_embedding_model_makes_the_dense_space() -> None:
    settings = VectorSettings.from_env(
        {"OPENAI_API_KEY": "k", "MARU_EMBEDDING_MODEL": "m", "MARU_EMBEDDING_DIMENSIONS": "8"}
    )
    assert open_vectors(settings).dense == DenseSpace("m", 8)
