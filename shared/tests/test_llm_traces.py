"""Calls of models are told to LangSmith without what people wrote, and LangSmith's troubles are nobody else's."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel
from shared.http.app import create_app
from shared.llm import ChatMessage, LanguageModel, ModelError, Models, PromptName, TextDelta, UsageReport, open_llm
from shared.llm.traces import ModelTraceSettings
from shared.settings import HttpSettings, LlmSettings, SettingMissing
from shared.telemetry import open_telemetry, request_id
from shared.telemetry.settings import TelemetrySettings
from shared.testing.langsmith_peer import LangSmithPeer, langsmith_peer
from shared.testing.openai_peer import OpenAiPeer, Reply
from shared.testing.telemetry_peer import attributes, otlp_peer
from shared.testing.waiting import eventually

MARKER = "dear-diary"
ASK = [ChatMessage("system", f"be kind {MARKER}"), ChatMessage("user", MARKER)]
PROMPT = PromptName("answer", "7")


@asynccontextmanager
async def nothing_to_start(_: FastAPI) -> AsyncGenerator[None]:
    yield


class Insight(BaseModel):
    topic: str


@asynccontextmanager
async def told(peer: LangSmithPeer, model: OpenAiPeer, **more: str) -> AsyncGenerator[Models]:
    env = {**model.environment, **peer.environment, "MARU_CHAT_MODEL": "gpt-4.1-mini", **more}
    models = open_llm(LlmSettings.from_env(env), ModelTraceSettings.from_env(env))
    try:
        yield models
    finally:
        await models.close()


async def answer(language: LanguageModel | None) -> str:
    assert language is not None
    pieces = [piece async for piece in language.stream(ASK, max_tokens=50, temperature=0, prompt=PROMPT)]
    assert isinstance(pieces[-1], UsageReport)
    return "".join(piece.text for piece in pieces if isinstance(piece, TextDelta))


async def runs(peer: LangSmithPeer, number: int = 1) -> list[dict]:
    await eventually(lambda: len(peer.runs) >= number or peer.refused)
    assert not peer.refused
    return peer.runs


async def test_a_streamed_answer_is_one_run_with_its_cost_and_without_its_words() -> None:
    async with OpenAiPeer() as model:
        model.script(Reply(f"It was {MARKER} indeed."))
        with langsmith_peer() as peer:
            token = request_id.set("request-1234")
            async with told(peer, model) as models:
                assert await answer(models.language) == f"It was {MARKER} indeed."
                (run,) = await runs(peer)
            request_id.reset(token)
        assert (run["name"], run["run_type"], run["session_name"]) == ("answer", "llm", "tests")
        metadata = run["extra"]["metadata"]
        assert (metadata["prompt_name"], metadata["prompt_version"]) == ("answer", "7")
        assert (metadata["ls_model_name"], metadata["ls_provider"]) == ("gpt-4.1-mini", "127.0.0.1")
        assert (metadata["ls_max_tokens"], metadata["ls_temperature"]) == (50, 0)
        assert metadata["request_id"] == "request-1234"
        usage = run["outputs"]["usage_metadata"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
        assert usage["total_cost"] > 0
        (first,) = run["events"]
        assert first["name"] == "new_token"
        assert run["start_time"] <= first["time"] <= run["end_time"]
        said, asked = run["outputs"]["content"], [one["content"] for one in run["inputs"]["messages"]]
        assert said.startswith("[redacted: 25 characters, ")
        assert asked[1].startswith("[redacted: 10 characters, ")
        assert MARKER.encode() not in b"".join(peer.bodies)
        assert "error" not in run


async def test_every_port_is_told_and_no_content_leaves(tmp_path: Path) -> None:
    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    recording = tmp_path / f"{MARKER}.wav"
    recording.write_bytes(b"RIFF" + MARKER.encode())
    async with OpenAiPeer() as model:
        with langsmith_peer() as peer:
            async with told(peer, model, MARU_EMBEDDING_DIMENSIONS="8") as models:
                assert models.language is not None
                assert models.embedder is not None
                assert models.vision is not None
                assert models.transcriber is not None
                await models.language.structured(ASK, Insight, prompt=PROMPT)
                await models.embedder.embed([MARKER, "b"])
                await models.vision.describe(pixel.getvalue(), "image/png", "en")
                await models.transcriber.transcribe(recording, "audio/wav")
                found = {run["name"]: run for run in await runs(peer, 4)}
        assert found["answer"]["extra"]["metadata"]["ls_schema"] == "Insight"
        assert (found["embeddings"]["run_type"], found["embeddings"]["outputs"]) == ("embedding", {"vectors": 2})
        assert found["describe"]["inputs"]["bytes"] == len(pixel.getvalue())
        assert found["transcribe"]["outputs"]["content"].startswith("[redacted")
        assert MARKER.encode() not in b"".join(peer.bodies)


async def test_content_is_told_where_it_is_asked_for() -> None:
    async with OpenAiPeer() as model:
        model.script(Reply("Yes."))
        with langsmith_peer() as peer:
            async with told(peer, model, LANGSMITH_CONTENT="on") as models:
                await answer(models.language)
                (run,) = await runs(peer)
        assert run["inputs"]["messages"][1] == {"role": "user", "content": MARKER}
        assert run["outputs"]["content"] == "Yes."


async def test_equal_texts_have_equal_hashes_under_one_key_and_others_under_another() -> None:
    asked: list[str] = []
    for key in ("first", "first", "second"):
        async with OpenAiPeer() as model:
            with langsmith_peer() as peer:
                async with told(peer, model, LANGSMITH_HASH_KEY=key) as models:
                    await answer(models.language)
                    (run,) = await runs(peer)
        asked.append(run["inputs"]["messages"][1]["content"])
    assert asked[0] == asked[1] != asked[2]


async def test_a_failure_is_told_by_its_type_and_still_fails() -> None:
    async with OpenAiPeer() as model:
        model.script(Reply(MARKER, refusal=f"no {MARKER}"))
        with langsmith_peer() as peer:
            async with told(peer, model) as models:
                with pytest.raises(ModelError):
                    await answer(models.language)
                (run,) = await runs(peer)
        assert run["error"] == "ModelRefused model_refused"
        assert MARKER.encode() not in b"".join(peer.bodies)


async def test_a_reader_who_leaves_ends_the_run_and_hangs_up() -> None:
    async with OpenAiPeer() as model:
        model.script(Reply("one two three", hold_after=1))
        with langsmith_peer() as peer:
            async with told(peer, model) as models:
                assert models.language is not None
                stream = models.language.stream(ASK, max_tokens=50)
                async with aclosing(stream):  # type: ignore[type-var]
                    assert await anext(stream) == TextDelta("one")
                (run,) = await runs(peer)
                await eventually(lambda: model.hung_up == 1)
        assert run["error"] == "GeneratorExit"
        assert run["outputs"]["content"].startswith("[redacted: 3 characters")


async def test_a_call_is_a_span_of_its_request_also_without_langsmith() -> None:
    app = create_app("Test", settings=HttpSettings((), False, False), checks={}, lifespan=nothing_to_start)
    with otlp_peer() as collector:
        telemetry = open_telemetry("api", TelemetrySettings.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}))
        async with OpenAiPeer(default=Reply(f"It was {MARKER}.")) as model:
            models = open_llm(LlmSettings.from_env({**model.environment, "MARU_CHAT_MODEL": "gpt-4.1-mini"}))

            @app.get("/ask")
            async def ask() -> str:
                return await answer(models.language)

            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                assert (await client.get("/ask")).json() == f"It was {MARKER}."
            await models.close()
        telemetry.close()
        call, request = await eventually(lambda: len(collector.spans()) == 2 and collector.spans())
    assert (call.name, call.parent_span_id) == ("chat gpt-4.1-mini", request.span_id)
    told = attributes(call)
    assert told["gen_ai.usage.output_tokens"] > 0
    assert (told["maru.prompt.name"], told["maru.prompt.version"]) == ("answer", "7")
    assert MARKER.encode() not in b"".join(collector.bodies)


@pytest.mark.parametrize("status", [429, 500, 503, 422])
async def test_a_langsmith_in_trouble_changes_no_answer(status: int) -> None:
    async with OpenAiPeer(default=Reply("Yes.")) as model:
        with langsmith_peer() as peer:
            peer.statuses.extend([status] * 40)
            async with told(peer, model) as models:
                assert [await answer(models.language) for _ in range(3)] == ["Yes."] * 3
                await eventually(peer.arrived.is_set)
                assert await answer(models.language) == "Yes."
        assert not peer.runs


async def test_a_langsmith_that_stalls_holds_up_no_answer_and_no_shutdown() -> None:
    async with OpenAiPeer(default=Reply("Yes.")) as model:
        with langsmith_peer() as peer:
            peer.going_on.clear()
            async with told(peer, model) as models:
                await answer(models.language)
                await eventually(peer.arrived.is_set)
                assert [await answer(models.language) for _ in range(3)] == ["Yes."] * 3
            assert not peer.runs


async def test_a_wrong_key_or_nobody_there_changes_no_answer() -> None:
    async with OpenAiPeer(default=Reply("Yes.")) as model:
        with langsmith_peer() as peer:
            async with told(peer, model, LANGSMITH_API_KEY="ls-wrong") as models:
                assert await answer(models.language) == "Yes."
                await eventually(peer.arrived.is_set)
            assert not peer.runs
        async with told(peer, model) as models:
            assert await answer(models.language) == "Yes."


@pytest.mark.parametrize(
    ("env", "named"),
    [
        pytest.param({"LANGSMITH_CONTENT": "yes"}, "LANGSMITH_CONTENT", id="content"),
        pytest.param({"LANGSMITH_ENDPOINT": "smith"}, "LANGSMITH_ENDPOINT", id="endpoint"),
    ],
)
def test_a_setting_that_cannot_be_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(SettingMissing, match=named):
        ModelTraceSettings.from_env({"LANGSMITH_API_KEY": "k", **env})
    assert ModelTraceSettings.from_env(env) is None


def test_settings_do_not_show_the_key() -> None:
    settings = ModelTraceSettings.from_env({"LANGSMITH_API_KEY": MARKER, "LANGSMITH_HASH_KEY": MARKER})
    assert MARKER not in json.dumps(repr(settings))
