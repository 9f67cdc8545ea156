"""Endpoints that answer 200 with something else: a proxy's page, a list, another vendor's idea of the format."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from shared.llm import ChatMessage, ModelCutOff, ModelError, ModelOutputInvalid, TextDelta, UsageReport
from shared.llm.openai_chat import OpenAiLanguageModel, usage_of
from shared.llm.openai_connection import Endpoint, OpenAiConnection, Timeouts
from shared.llm.openai_embeddings import OpenAiEmbedder
from shared.llm.openai_transcription import OpenAiTranscriber
from shared.llm.openai_vision import OpenAiVision
from shared.llm.retry import RetryPolicy

ASK = [ChatMessage("user", "안녕?")]
TIMEOUTS = Timeouts(connect=5, first_token=20, between_tokens=20, total=60, whole_call=20)


class Stranger:
    """An HTTP server with one answer to everything."""

    def __init__(self) -> None:
        self.content_type = "application/json"
        self.body = b""
        self.asked = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0]) if "content-length:" in head else 0
        await reader.readexactly(length)
        self.asked += 1
        headers = f"HTTP/1.1 200 OK\r\ncontent-type: {self.content_type}\r\ncontent-length: {len(self.body)}\r\n"
        writer.write(f"{headers}connection: close\r\n\r\n".encode() + self.body)
        await writer.drain()
        writer.close()

    def says(self, body: Any, content_type: str = "application/json") -> None:
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.content_type = content_type

    def streams(self, *lines: Any) -> None:
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        self.says("".join(f"data: {text}\n\n" for text in texts).encode(), "text/event-stream")


@pytest.fixture
async def stranger() -> Stranger:
    return Stranger()


@pytest.fixture
async def connection(stranger: Stranger) -> AsyncGenerator[OpenAiConnection]:
    server = await asyncio.start_server(stranger.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    policy = RetryPolicy(attempts=2, first_wait_s=0, longest_wait_s=0)
    made = OpenAiConnection(Endpoint("sk", f"http://127.0.0.1:{port}/v1", TIMEOUTS, policy))
    yield made
    await made.close()
    server.close()


class Mood(BaseModel):
    label: str


async def _structured(connection: OpenAiConnection, _: Path) -> Any:
    return await OpenAiLanguageModel(connection, "m").structured(ASK, Mood)


async def _stream(connection: OpenAiConnection, _: Path) -> Any:
    return [piece async for piece in OpenAiLanguageModel(connection, "m").stream(ASK, max_tokens=10)]


async def _embed(connection: OpenAiConnection, _: Path) -> Any:
    return await OpenAiEmbedder(connection, "m", 2).embed(["a"])


async def _describe(connection: OpenAiConnection, _: Path) -> Any:
    from io import BytesIO

    from PIL import Image

    picture = BytesIO()
    Image.new("RGB", (2, 2)).save(picture, "PNG")
    return await OpenAiVision(connection, "m").describe(picture.getvalue(), "image/png", "ko")


PORTS = {"structured": _structured, "stream": _stream, "embed": _embed, "describe": _describe}
ANSWERS: dict[str, tuple[bytes, str]] = {
    "a page": (b"<!doctype html><title>Sign in</title>", "text/html"),
    "nothing": (b"", "application/json"),
    "no JSON": (b"{", "application/json"),
    "null": (b"null", "application/json"),
    "a list": (b"[]", "application/json"),
    "an empty object": (b"{}", "application/json"),
    "empty choices": (b'{"choices": [], "data": []}', "application/json"),
    "hollow choices": (b'{"choices": [{}], "data": [{}]}', "application/json"),
    "choices of numbers": (b'{"choices": [1], "data": [1]}', "application/json"),
    "a choice without words": (b'{"choices": [{"message": null}], "data": null}', "application/json"),
    "odd types": (b'{"choices": "x", "data": "x"}', "application/json"),
    "vectors of text": (
        b'{"data": [{"index": 0, "embedding": ["a", "b"]}], "choices": [{"message": {"content": 5}}]}',
        "application/json",
    ),
}


@pytest.mark.parametrize("port", PORTS.values(), ids=PORTS)
async def test_whatever_comes_back_only_model_errors_leave_a_port(
    stranger: Stranger,
    connection: OpenAiConnection,
    tmp_path: Path,
    port: Callable[[OpenAiConnection, Path], Awaitable[Any]],
) -> None:
    for name, (body, content_type) in ANSWERS.items():
        stranger.says(body, content_type)
        with pytest.raises(ModelError) as failed:
            await port(connection, tmp_path)
        assert failed.value.status == 503, name


BAD_LINES: list[Any] = [
    "not json",
    "[]",
    "7",
    "null",
    {"choices": "x"},
    {"choices": [7]},
    {"choices": {"a": 1}},
    {"choices": [{"delta": "text"}]},
    {"choices": [{"delta": {"content": ["a"]}}]},
    {"choices": [{"delta": {"content": 5}}]},
]


async def test_a_line_of_another_format_ends_a_stream_with_a_name(
    stranger: Stranger, connection: OpenAiConnection, tmp_path: Path
) -> None:
    for line in BAD_LINES:
        stranger.streams({"choices": [{"delta": {"content": "first"}}]}, line)
        answer = OpenAiLanguageModel(connection, "m").stream(ASK, max_tokens=10)
        assert await anext(answer) == TextDelta("first"), line
        with pytest.raises(ModelOutputInvalid):
            await anext(answer)


@pytest.mark.parametrize(
    "usage", [5, "many", [1], {"prompt_tokens": "x"}, {"prompt_tokens": [1]}, {"prompt_tokens_details": 3}]
)
async def test_an_answer_with_a_strange_bill_is_still_an_answer(
    stranger: Stranger, connection: OpenAiConnection, usage: Any
) -> None:
    stranger.streams({"choices": [{"delta": {"content": "네"}, "finish_reason": "stop"}], "usage": usage}, "[DONE]")
    pieces = [piece async for piece in OpenAiLanguageModel(connection, "gpt-4o").stream(ASK, max_tokens=10)]
    assert pieces[0] == TextDelta("네")
    assert isinstance(pieces[-1], UsageReport)
    assert pieces[-1].usage.cost_micros is None


async def test_comments_blank_lines_and_events_without_text_are_passed_over(
    stranger: Stranger, connection: OpenAiConnection
) -> None:
    stranger.says(
        b': keep-alive\n\nevent: ping\n\ndata: {"choices": []}\n\nid: 4\n'
        b'data:{"choices": [{"delta": {"role": "assistant"}}]}\r\n\r\n'
        b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}\n\n'
        b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\n\n',
        "text/event-stream",
    )
    pieces = [piece async for piece in OpenAiLanguageModel(connection, "m").stream(ASK, max_tokens=10)]
    assert [piece.text for piece in pieces if isinstance(piece, TextDelta)] == ["a"]
    assert isinstance(pieces[-1], UsageReport)
    assert pieces[-1].truncated


async def test_a_stream_that_never_says_why_it_ended_was_cut(stranger: Stranger, connection: OpenAiConnection) -> None:
    stranger.streams({"choices": [{"delta": {"content": "a"}}]}, "[DONE]")
    with pytest.raises(ModelCutOff):
        await _stream(connection, Path())


async def test_a_transcript_as_plain_text_is_taken(
    stranger: Stranger, connection: OpenAiConnection, tmp_path: Path
) -> None:
    recording = tmp_path / "a.mp3"
    recording.write_bytes(b"ID3")
    stranger.says(b" spoken words \n", "text/plain")
    assert await OpenAiTranscriber(connection, "whisper").transcribe(recording, "audio/mpeg") == "spoken words"


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (None, (0, 0, 0, None)),
        ({}, (0, 0, 0, None)),
        ({"prompt_tokens": 10, "completion_tokens": 2}, (10, 2, 0, 45)),
        ({"prompt_tokens": 10, "completion_tokens": None, "prompt_tokens_details": None}, (10, 0, 0, 25)),
        (
            {"prompt_tokens": 10, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 10}},
            (10, 0, 10, 13),
        ),
    ],
)
def test_a_bill_is_read_as_the_endpoint_writes_it(counted: Any, expected: tuple[int, int, int, int | None]) -> None:
    usage = usage_of("gpt-4o", counted)
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cost_micros) == expected
    assert usage.calls == 1
