"""One process serves its folder to another: what happens when either goes away."""

import asyncio
import socket as sockets
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from shared.vectors import DenseSpace, SparseVector, VectorFilter
from shared.vectors.edge import EdgeIndex
from shared.vectors.errors import VectorsUnavailable
from shared.vectors.remote import RemoteIndex
from shared.vectors.serve import VectorServer

SPACE = VectorFilter([uuid4()])


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[EdgeIndex]:
    index = EdgeIndex(tmp_path)
    yield index
    await index.close()


@pytest.fixture
def socket() -> AsyncIterator[Path]:
    with TemporaryDirectory(prefix="vec") as short:
        yield Path(short) / "sub" / "s"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_only_this_user_may_open_the_socket(owner: EdgeIndex, socket: Path) -> None:
    server = VectorServer(owner, socket)
    await server.start()
    assert _mode(socket) == 0o600
    await server.close()
    assert not _names_in(socket.parent)


async def test_a_client_finds_the_owner_again_after_it_restarted(owner: EdgeIndex, socket: Path) -> None:
    client = RemoteIndex(socket)
    with pytest.raises(VectorsUnavailable):
        await client.ready()
    for _ in range(2):
        server = VectorServer(owner, socket)
        await server.start()
        await client.ready()
        assert await client.count(SPACE) == 0
        await server.close()
        with pytest.raises(VectorsUnavailable):
            await client.count(SPACE)
    await client.close()


async def test_a_socket_left_by_a_dead_process_is_replaced(owner: EdgeIndex, socket: Path) -> None:
    socket.parent.mkdir()
    with sockets.socket(sockets.AF_UNIX) as left_behind:
        left_behind.bind(str(socket))
    server = VectorServer(owner, socket)
    await server.start()
    client = RemoteIndex(socket)
    await client.ready()
    await client.close()
    await server.close()


async def test_a_client_with_other_settings_is_told_so(owner: EdgeIndex, socket: Path) -> None:
    server = VectorServer(owner, socket)
    await server.start()
    client = RemoteIndex(socket, DenseSpace("model", 4))
    with pytest.raises(VectorsUnavailable, match="same embedding settings"):
        await client.ready()
    await client.close()
    await server.close()


async def test_a_cancelled_call_does_not_hand_its_answer_to_the_next(owner: EdgeIndex, socket: Path) -> None:
    server = VectorServer(owner, socket)
    await server.start()
    client = RemoteIndex(socket)
    for _ in range(20):
        asked = asyncio.create_task(client.search(SparseVector([1], [1.0]), None, SPACE, 5))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert await client.count(SPACE) == 0
    await client.close()
    await server.close()


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b"{}\n",
        b'{"method":"drop","arguments":{}}\n',
        b'{"method":"count","arguments":{"wanted":{"space_ids":[]}}}\n',
    ],
)
async def test_nonsense_gets_an_error_and_the_connection_lives_on(owner: EdgeIndex, socket: Path, line: bytes) -> None:
    server = VectorServer(owner, socket)
    await server.start()
    reader, writer = await asyncio.open_unix_connection(socket)
    for _ in range(2):
        writer.write(line)
        assert b'"error"' in await reader.readline()
    writer.close()
    await server.close()


async def test_many_clients_at_once_each_get_their_own_answer(owner: EdgeIndex, socket: Path) -> None:
    server = VectorServer(owner, socket)
    await server.start()
    clients = [RemoteIndex(socket) for _ in range(10)]
    counts = await asyncio.gather(*(client.count(SPACE) for client in clients for _ in range(5)))
    assert counts == [0] * 50
    await asyncio.gather(*(client.close() for client in clients))
    await server.close()
