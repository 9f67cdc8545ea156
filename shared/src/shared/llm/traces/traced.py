"""The ports with each call told. What a port answers or raises passes through as it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.llm.port import (
    ChatMessage,
    Embedder,
    ImageDescription,
    LanguageModel,
    PromptName,
    S,
    TextDelta,
    Transcriber,
    Usage,
    UsageReport,
    Vision,
)
from shared.llm.traces.call import ModelCall, Running, running

Told = Callable[[ModelCall], None] | None
Shown = Callable[[str], str]


@contextmanager
def _ending(run: Running) -> Generator[Running]:
    try:
        yield run
    except BaseException as error:
        run.failed(error)
        raise
    finally:
        run.end()


class TracedLanguageModel:
    """A `LanguageModel` whose calls are told to `told`; `shown` says what is told of a text."""

    def __init__(self, inner: LanguageModel, told: Told, shown: Shown) -> None:
        self._inner = inner
        self._told = told
        self._shown = shown
        self.name = inner.name
        self.provider = inner.provider

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float | None = None,
        pace: Callable[[], float] | None = None,
        prompt: PromptName | None = None,
    ) -> AsyncGenerator[TextDelta | UsageReport]:
        """See the port."""
        said: list[str] = []
        begun = self._begin("chat", messages, max_tokens=max_tokens, temperature=temperature, prompt=prompt)
        with _ending(begun) as run:
            pieces = self._inner.stream(
                messages, max_tokens=max_tokens, temperature=temperature, pace=pace, prompt=prompt
            )
            try:
                async for piece in pieces:
                    if isinstance(piece, TextDelta):
                        run.first_piece()
                        said.append(piece.text)
                    else:
                        run.call.usage = piece.usage
                        run.call.outputs["truncated"] = piece.truncated
                    yield piece
            finally:
                # Also when the reader leaves or the model fails in the middle.
                run.call.outputs["content"] = self._shown("".join(said))
                await _hang_up(pieces)

    async def structured(
        self,
        messages: Sequence[ChatMessage],
        schema: type[S],
        *,
        max_tokens: int = 2000,
        prompt: PromptName | None = None,
    ) -> tuple[S, Usage]:
        """See the port."""
        begun = self._begin("structured", messages, max_tokens=max_tokens, prompt=prompt, schema=schema.__name__)
        with _ending(begun) as run:
            answer, usage = await self._inner.structured(messages, schema, max_tokens=max_tokens, prompt=prompt)
            run.call.usage = usage
            run.call.outputs["content"] = self._shown(answer.model_dump_json())
            return answer, usage

    def _begin(self, operation: str, messages: Sequence[ChatMessage], **parameters: Any) -> Running:
        inputs = {"messages": [{"role": one.role, "content": self._shown(one.content)} for one in messages]}
        return running("chat", operation, (self.provider, self.name), inputs, self._told, **parameters)


async def _hang_up(pieces: AsyncIterator[Any]) -> None:
    if isinstance(pieces, AsyncGenerator):
        await pieces.aclose()


class TracedEmbedder:
    """An `Embedder` whose calls are told."""

    def __init__(self, inner: Embedder, provider: str, told: Told, shown: Shown) -> None:
        self._inner = inner
        self._provider = provider
        self._told = told
        self._shown = shown
        self.model = inner.model
        self.dimensions = inner.dimensions

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See the port."""
        inputs = {"texts": len(texts), "characters": sum(map(len, texts)), "content": self._shown("\n".join(texts))}
        begun = running(
            "embedding", "embeddings", (self._provider, self.model), inputs, self._told, dimensions=self.dimensions
        )
        with _ending(begun) as run:
            vectors = await self._inner.embed(texts)
            run.call.outputs["vectors"] = len(vectors)
            return vectors


class TracedVision:
    """A `Vision` whose calls are told; images never are."""

    def __init__(self, inner: Vision, provider: str, told: Told, shown: Shown) -> None:
        self._inner = inner
        self._provider = provider
        self._told = told
        self._shown = shown
        self.name = inner.name

    async def describe(self, image: bytes, content_type: str, language: str) -> ImageDescription:
        """See the port."""
        inputs = {"bytes": len(image), "content_type": content_type, "language": language}
        with _ending(running("vision", "describe", (self._provider, self.name), inputs, self._told)) as run:
            seen = await self._inner.describe(image, content_type, language)
            run.call.outputs |= {"content": self._shown(seen.description), "text": self._shown(seen.text)}
            return seen


class TracedTranscriber:
    """A `Transcriber` whose calls are told; recordings and their names never are."""

    def __init__(self, inner: Transcriber, provider: str, told: Told, shown: Shown) -> None:
        self._inner = inner
        self._provider = provider
        self._told = told
        self._shown = shown
        self.name = inner.name

    async def transcribe(self, path: Path, content_type: str) -> str:
        """See the port."""
        inputs = {"content_type": content_type}
        with _ending(running("transcription", "transcribe", (self._provider, self.name), inputs, self._told)) as run:
            words = await self._inner.transcribe(path, content_type)
            run.call.outputs["content"] = self._shown(words)
            return words
