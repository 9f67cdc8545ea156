"""The OpenAI adapter, against a peer on the wire."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from pydantic import BaseModel, Field
from shared.llm import (
    ChatMessage,
    ModelCutOff,
    ModelError,
    ModelMisconfigured,
    ModelOutputInvalid,
    ModelQuotaExhausted,
    ModelRateLimited,
    ModelRefused,
    ModelRequestRejected,
    ModelTimedOut,
    ModelUnavailable,
    TextDelta,
    UsageReport,
    open_llm,
)
from shared.llm.openai_chat import OpenAiLanguageModel
from shared.llm.openai_connection import Endpoint, OpenAiConnection, Timeouts
from shared.llm.openai_embeddings import OpenAiEmbedder
from shared.llm.openai_transcription import OpenAiTranscriber
from shared.llm.openai_vision import OpenAiVision
from shared.llm.retry import RetryPolicy
from shared.settings import LlmSettings
from shared.testing import eventually
from shared.testing.openai_peer import OpenAiPeer, Reply

ASK = [ChatMessage("system", "Be brief."), ChatMessage("user", "안녕, how are you?")]
PATIENCE = Timeouts(connect=5, first_token=1, between_tokens=1, total=30, whole_call=1)
CALM = Timeouts(connect=5, first_token=20, between_tokens=20, total=60, whole_call=20)
HASTY = RetryPolicy(attempts=3, first_wait_s=0.01, longest_wait_s=0.3)


class Mood(BaseModel):
    label: str
    score: float = Field(ge=0, le=1)


class Insights(BaseModel):
    summary: str = Field(min_length=1)
    moods: list[Mood]
    place: str | None = None


@pytest.fixture
async def peer() -> AsyncGenerator[OpenAiPeer]:
    async with OpenAiPeer() as made:
        yield made


@pytest.fixture
async def calm(peer: OpenAiPeer) -> AsyncGenerator[OpenAiConnection]:
    made = OpenAiConnection(Endpoint(peer.api_key, peer.base_url, CALM, HASTY))
    await made.warm()
    yield made
    await made.close()


@pytest.fixture
async def hasty(peer: OpenAiPeer) -> AsyncGenerator[OpenAiConnection]:
    made = OpenAiConnection(Endpoint(peer.api_key, peer.base_url, PATIENCE, HASTY))
    await made.warm()
    yield made
    await made.close()


def patient(reply: Reply, calm: OpenAiConnection, hasty: OpenAiConnection) -> OpenAiConnection:
    """Only silence needs a client in a hurry; on a busy machine that one would give up on the others too."""
    return hasty if reply.hold_after is not None or reply.delay_s else calm


async def collect(connection: OpenAiConnection, model: str = "gpt-4.1-mini") -> tuple[list[str], UsageReport]:
    said: list[str] = []
    async for piece in OpenAiLanguageModel(connection, model).stream(ASK, max_tokens=100, temperature=0):
        if isinstance(piece, UsageReport):
            return said, piece
        said.append(piece.text)
    raise AssertionError("the stream ended without a report")


async def test_text_streams_and_ends_with_what_it_cost(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    peer.script(Reply("Fine, thank you."))
    said, report = await collect(calm)
    assert "".join(said) == "Fine, thank you."
    assert (report.usage.calls, report.usage.output_tokens, report.truncated) == (1, 4, False)
    assert report.usage.cost_micros == -(-(report.usage.input_tokens * 0.4 + 4 * 1.6) // 1)
    [body] = peer.chats
    assert body["messages"] == [{"role": one.role, "content": one.content} for one in ASK]
    assert (body["stream_options"], body["max_tokens"], body["temperature"]) == ({"include_usage": True}, 100, 0)


async def test_line_separators_inside_text_do_not_end_a_line(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    peer.script(Reply(pieces=("a\u2028b", "\u0085c", "\n\r\nd", "한글")))
    said, _ = await collect(calm)
    assert "".join(said) == "a\u2028b\u0085c\n\r\nd한글"


async def test_an_endpoint_that_counts_nothing_costs_an_unknown_sum(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    peer.script(Reply("Fine.", usage=False))
    _, report = await collect(calm)
    assert (report.usage.calls, report.usage.input_tokens, report.usage.cost_micros) == (1, 0, None)


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(status=429, headers={"Retry-After": "0.05"}),
        Reply(status=429, headers={"Retry-After-Ms": "30"}),
        Reply(status=500),
        Reply(status=503),
        Reply("lost", cut_after=-1),
        Reply("lost", cut_after=0),
        Reply("late", hold_after=0),
        Reply("late", delay_s=3),
        Reply("late", error_after=0),
    ],
)
async def test_before_the_first_word_it_is_tried_again(
    peer: OpenAiPeer, calm: OpenAiConnection, hasty: OpenAiConnection, trouble: Reply
) -> None:
    peer.script(trouble, trouble, Reply("Third time."))
    assert "".join((await collect(patient(trouble, calm, hasty)))[0]) == "Third time."
    assert len(peer.chats) == 3


async def test_what_the_provider_asks_for_is_waited(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    peer.script(Reply(status=429, headers={"Retry-After": "0.25"}))
    started = time.monotonic()
    await collect(calm)
    assert time.monotonic() - started >= 0.25


@pytest.mark.parametrize(
    ("reply", "error", "calls"),
    [
        (Reply(status=429), ModelRateLimited, 1),
        (Reply(status=429, headers={"Retry-After": "0"}), ModelRateLimited, 3),
        (Reply(status=429, code="insufficient_quota"), ModelQuotaExhausted, 1),
        (Reply(status=500), ModelUnavailable, 3),
        (Reply(status=504), ModelTimedOut, 3),
        (Reply("late", hold_after=0), ModelTimedOut, 3),
        (Reply(status=401), ModelMisconfigured, 1),
        (Reply(status=404), ModelMisconfigured, 1),
        (Reply(status=400), ModelRequestRejected, 1),
        (Reply(status=400, code="content_filter"), ModelRefused, 1),
        (Reply(refusal="No."), ModelRefused, 1),
        (Reply(lines=("{not json",)), ModelOutputInvalid, 1),
        (Reply(lines=("[]",)), ModelOutputInvalid, 1),
        (Reply(lines=("[DONE]",)), ModelCutOff, 3),
    ],
)
async def test_each_failure_has_a_name(
    peer: OpenAiPeer,
    calm: OpenAiConnection,
    hasty: OpenAiConnection,
    reply: Reply,
    error: type[ModelError],
    calls: int,
) -> None:
    peer.script(*[reply] * calls)
    with pytest.raises(error) as caught:
        await collect(patient(reply, calm, hasty))
    assert type(caught.value) is error
    assert len(peer.chats) == calls


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply("one two three", cut_after=2), ModelCutOff),
        (Reply("one two three", error_after=2), ModelCutOff),
        (Reply("one two three", error_after=2, code="rate_limit_exceeded"), ModelRateLimited),
        (Reply("one two three", hold_after=2), ModelTimedOut),
        (Reply("one two", finish_reason="content_filter"), ModelRefused),
        (
            Reply(lines=('{"choices":[{"delta":{"content":"one"}}]}', '{"choices":[{"delta":{"content":" two"}}]}')),
            ModelCutOff,
        ),
    ],
)
async def test_after_the_first_word_nothing_is_tried_again(
    peer: OpenAiPeer, calm: OpenAiConnection, hasty: OpenAiConnection, reply: Reply, error: type[ModelError]
) -> None:
    peer.script(reply)
    said = ""
    stream = OpenAiLanguageModel(patient(reply, calm, hasty), "m").stream(ASK, max_tokens=10)
    while said != "one two":
        piece = await anext(stream)
        assert isinstance(piece, TextDelta)
        said += piece.text
    with pytest.raises(error):
        await anext(stream)
    assert len(peer.chats) == 1


async def test_slow_but_steady_is_not_dead(peer: OpenAiPeer, hasty: OpenAiConnection) -> None:
    peer.script(Reply("a b c d e f", token_delay_s=0.15))
    said, _ = await collect(hasty)
    assert "".join(said) == "a b c d e f"


async def test_an_answer_without_an_end_is_ended(peer: OpenAiPeer) -> None:
    limits = Timeouts(first_token=9, between_tokens=9, total=0.4)
    connection = OpenAiConnection(Endpoint(peer.api_key, peer.base_url, limits, HASTY))
    peer.script(Reply("word " * 100, token_delay_s=0.05))
    with pytest.raises(ModelTimedOut):
        await collect(connection)
    await connection.close()


async def test_leaving_a_stream_hangs_up(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    peer.script(Reply("one two three", hold_after=1))
    stream = OpenAiLanguageModel(calm, "m").stream(ASK, max_tokens=10)
    assert await anext(stream) == TextDelta("one")
    await stream.aclose()
    await eventually(lambda: peer.hung_up == 1)


async def test_a_reader_in_no_hurry_gets_larger_pieces(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    words = " ".join(f"w{number}" for number in range(60))
    peer.script(Reply(words, token_delay_s=0.005))
    pieces = [
        piece.text
        async for piece in OpenAiLanguageModel(calm, "m").stream(ASK, max_tokens=10, pace=lambda: 0.1)
        if isinstance(piece, TextDelta)
    ]
    assert "".join(pieces) == words
    assert pieces[0] == "w0"
    assert len(pieces) < 30


async def test_nobody_at_home(peer: OpenAiPeer) -> None:
    connection = OpenAiConnection(Endpoint("k", "http://127.0.0.1:9/v1", PATIENCE, HASTY))
    with pytest.raises(ModelUnavailable):
        await collect(connection)
    await connection.close()


async def test_two_hundred_streams_at_once(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    peer.script(*[Reply("one two three", hold_after=1)] * 200)
    running = [asyncio.create_task(collect(calm)) for _ in range(200)]
    await eventually(lambda: len(peer.chats) == 200, within=60)
    peer.release()
    assert all("".join(said) == "one two three" for said, _ in await asyncio.gather(*running))


async def test_structured_output_fits_its_schema(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    peer.script(Reply('{"summary": "좋은 날", "moods": [{"label": "joy", "score": 0.9}], "place": null}'))
    found, usage = await OpenAiLanguageModel(calm, "gpt-4o").structured(ASK, Insights)
    assert found == Insights(summary="좋은 날", moods=[Mood(label="joy", score=0.9)])
    assert usage.calls == 1
    shape = peer.chats[0]["response_format"]["json_schema"]
    assert (shape["strict"], shape["schema"]["required"]) == (True, ["summary", "moods", "place"])


@pytest.mark.parametrize(
    "broken", ["not json", '{"summary": "", "moods": []}', '{"summary": "x", "moods": [{"label": "joy", "score": 7}]}']
)
async def test_output_that_does_not_fit_is_repaired_once(peer: OpenAiPeer, calm: OpenAiConnection, broken: str) -> None:
    peer.script(Reply(broken), Reply('{"summary": "x", "moods": [], "place": null}'))
    found, usage = await OpenAiLanguageModel(calm, "m").structured(ASK, Insights)
    assert (found.summary, usage.calls) == ("x", 2)
    repair = peer.chats[1]["messages"]
    assert (repair[-2]["content"], repair[-1]["role"]) == (broken, "user")

    peer.script(Reply(broken), Reply(broken))
    with pytest.raises(ModelOutputInvalid):
        await OpenAiLanguageModel(calm, "m").structured(ASK, Insights)
    assert len(peer.chats) == 4


async def test_structured_output_that_was_refused_or_cut(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    model = OpenAiLanguageModel(calm, "m")
    for reply, error in (
        (Reply("", refusal="No."), ModelRefused),
        (Reply("{}", finish_reason="length"), ModelOutputInvalid),
    ):
        peer.script(reply)
        with pytest.raises(error):
            await model.structured(ASK, Insights)
    peer.script(*[Reply(cut_after=0)] * 3)
    with pytest.raises(ModelUnavailable):
        await model.structured(ASK, Insights)


async def test_embeddings_come_in_order_and_in_batches_the_endpoint_takes(
    peer: OpenAiPeer, calm: OpenAiConnection
) -> None:
    embedder = OpenAiEmbedder(calm, "text-embedding-3-small", 64)
    texts = [f"note {number}" for number in range(2100)] + ["", "매실 " * 9000]
    vectors = await embedder.embed(texts)
    assert len(vectors) == len(texts)
    assert all(len(vector) == 64 for vector in vectors)
    assert vectors[7] == (await embedder.embed(["note 7"]))[0]
    sizes = [len(request.body["input"]) for request in peer.requests[:-1]]
    assert (max(sizes), sum(sizes)) == (2048, len(texts))


async def test_no_texts_ask_nothing(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    assert await OpenAiEmbedder(calm, "m", 8).embed([]) == []
    assert peer.requests == []


async def test_vectors_of_another_length_are_refused(calm: OpenAiConnection) -> None:
    with pytest.raises(ModelOutputInvalid, match="MARU_EMBEDDING_DIMENSIONS"):
        await OpenAiEmbedder(calm, "local-model", 8).embed(["a"])


async def test_a_photo_leaves_small_and_without_its_metadata(peer: OpenAiPeer, calm: OpenAiConnection) -> None:
    from PIL import Image

    photo, taken = io.BytesIO(), Image.Exif()
    taken[0x010E] = "secret place"
    Image.new("RGB", (3000, 2000), "green").save(photo, "JPEG", exif=taken)
    peer.script(Reply('{"description": " A green field. ", "text": ""}'))
    seen = await OpenAiVision(calm, "gpt-4o").describe(photo.getvalue(), "image/jpeg", "ko")
    assert (seen.description, seen.text) == ("A green field.", "")
    words, image = peer.chats[0]["messages"][0]["content"]
    assert "Korean" in words["text"]
    sent = _decoded(image["image_url"]["url"])
    assert b"secret place" not in sent
    assert max(Image.open(io.BytesIO(sent)).size) == 1536


async def test_a_recording_is_transcribed(peer: OpenAiPeer, calm: OpenAiConnection, tmp_path: Path) -> None:
    recording = tmp_path / "memo.mp3"
    recording.write_bytes(b"ID3 sound")
    peer.script(Reply(status=500), Reply(" 오늘은 맑음 "))
    assert await OpenAiTranscriber(calm, "gpt-4o-mini-transcribe").transcribe(recording, "audio/mpeg") == "오늘은 맑음"
    assert b"ID3 sound" in peer.requests[-1].body
    with recording.open("r+b") as file:
        file.truncate(26 * 1024 * 1024)
    with pytest.raises(ModelRequestRejected, match="25 MiB"):
        await OpenAiTranscriber(calm, "m").transcribe(recording, "audio/mpeg")


async def test_a_wrong_key_is_not_let_in(peer: OpenAiPeer) -> None:
    models = open_llm(LlmSettings.from_env(peer.environment | {"OPENAI_API_KEY": "sk-wrong"}))
    assert models.language is not None
    with pytest.raises(ModelMisconfigured):
        await models.language.structured(ASK, Insights)
    await models.close()


def test_without_a_key_there_is_no_model() -> None:
    models = open_llm(LlmSettings.from_env({}))
    assert (models.language, models.embedder, models.vision, models.transcriber) == (None, None, None, None)


def test_each_port_can_be_switched_off() -> None:
    models = open_llm(
        LlmSettings.from_env(
            {"OPENAI_API_KEY": "k", "MARU_EMBEDDING_MODEL": "none", "MARU_TRANSCRIPTION_MODEL": "none"}
        )
    )
    assert models.language is not None
    assert (models.language.name, models.language.provider) == ("gpt-4.1-mini", "openai")
    assert (models.embedder, models.transcriber) == (None, None)


def _decoded(url: str) -> bytes:
    import base64

    head, _, data = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return base64.b64decode(data)
