"""The deliverer's own HTTP client, against servers that behave well and badly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from maru.deliverer import HttpCaller
from maru.deliverer.caller import Answer
from receiver import Received, receiving

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Counted:
    """A raw server and how many connections it has had."""

    url: str = ""
    connections: int = 0


@asynccontextmanager
async def raw(handle: Handle) -> AsyncGenerator[Counted]:
    counted = Counted()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counted.connections += 1
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    counted.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/internal"
    try:
        yield counted
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head + await reader.readexactly(length)


@asynccontextmanager
async def calling() -> AsyncGenerator[Callable[[str], Awaitable[Answer]]]:
    caller = HttpCaller()

    async def post(url: str, deadline_s: float = 5) -> Answer:
        return await caller.post(url, b'{"a": 1}', {"authorization": "Bearer x"}, deadline_s)

    try:
        yield post
    finally:
        await caller.close()


async def test_body_and_headers_arrive_and_the_connection_is_kept() -> None:
    async with receiving() as receiver, calling() as post:
        for _ in range(3):
            assert (await post(f"{receiver.base}/internal/x")).status == 204
        call: Received = receiver.calls[0]
        assert call.payload == {"a": 1}
        assert call.headers["authorization"] == "Bearer x"
        assert call.headers["host"] == receiver.base.removeprefix("http://")


async def test_connections_are_reused_one_after_another_and_added_side_by_side() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with raw(answer) as server, calling() as post:
        for _ in range(5):
            assert (await post(server.url)).status == 204
        assert server.connections == 1
        await asyncio.gather(*(post(server.url) for _ in range(4)))
        assert server.connections <= 4
        await asyncio.gather(*(post(server.url) for _ in range(4)))
        assert server.connections <= 4


async def test_an_answer_in_pieces_and_chunks_is_put_together() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        whole = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n5\r\n, yes\r\n0\r\n\r\n"
        for position in range(0, len(whole), 3):
            writer.write(whole[position : position + 3])
            await writer.drain()
            await asyncio.sleep(0)
        await asyncio.sleep(0.2)

    async with raw(answer) as server, calling() as post:
        assert await post(server.url) == Answer(503, "busy, yes", 7.0)


async def test_a_kept_connection_that_the_server_closed_meanwhile_costs_nothing() -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async with raw(once) as server, calling() as post:
        for _ in range(5):
            assert (await post(server.url)).status == 204
        assert server.connections == 5


async def test_a_server_that_says_close_is_not_asked_again_on_that_connection() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with raw(answer) as server, calling() as post:
        assert (await post(server.url)).status == 200
        assert (await post(server.url)).status == 200
        assert server.connections == 2


@pytest.mark.parametrize(
    ("spoken", "told"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", "hung up"),
        (b"", "hung up"),
    ],
)
async def test_what_is_no_whole_answer_is_none(spoken: bytes, told: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(spoken)
        await writer.drain()

    async with raw(answer) as server, calling() as post:
        outcome = await post(server.url)
    assert outcome.status == 0
    assert told in outcome.text


async def test_nobody_there_is_no_answer() -> None:
    async with raw(_silent) as server:
        url = server.url
    async with calling() as post:
        assert (await post(url)).status == 0


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_deadline_ends_a_silent_call_and_its_connection() -> None:
    async with raw(_silent) as server:
        caller = HttpCaller()
        assert await caller.post(server.url, b"{}", {}, 0.05) == Answer(0, "no answer within 0 s")
        assert (await caller.post(server.url, b"{}", {}, 0.05)).status == 0
        assert server.connections == 2
        await caller.close()


async def test_only_the_beginning_of_a_long_complaint_is_kept() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 500 Oh\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        await writer.drain()
        await reader.read()

    async with raw(answer) as server, calling() as post:
        outcome = await post(server.url)
    assert outcome.status == 500
    assert 0 < len(outcome.text) < 10_000
