"""Embeddings of an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from shared.llm.errors import ModelOutputInvalid
from shared.llm.openai_connection import OpenAiConnection, readable
from shared.llm.tokens import cut_to_tokens, estimate_tokens

if TYPE_CHECKING:
    import openai

# OpenAI's limits, with room for the estimate to be wrong in the bad direction.
_MOST_INPUTS = 2048
_MOST_TOKENS_EACH = 8000
_MOST_TOKENS = 250_000
_AT_ONCE = 4


class OpenAiEmbedder:
    """`Embedder` on `/embeddings`."""

    def __init__(self, connection: OpenAiConnection, model: str, dimensions: int) -> None:
        self._connection = connection
        self.model = model
        self.dimensions = dimensions

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """See the port."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(batch: list[str]) -> list[list[float]]:
            async with gate:
                return await self._batch(batch)

        tasks = [asyncio.create_task(one(batch)) for batch in batches(texts)]
        try:
            # No TaskGroup: callers await one typed error, not a group of them.
            return [vector for vectors in await asyncio.gather(*tasks) for vector in vectors]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _batch(self, texts: list[str]) -> list[list[float]]:
        async def ask(client: openai.AsyncOpenAI) -> Any:
            # Only these take a length; others have the one they were trained with.
            sized: dict[str, Any] = {"dimensions": self.dimensions} if self.model.startswith("text-embedding-3") else {}
            return await client.embeddings.create(model=self.model, input=texts, encoding_format="float", **sized)

        answer = await self._connection.call(ask)
        with readable():
            ordered = sorted(answer.data, key=lambda item: item.index)
            vectors = [[float(number) for number in item.embedding] for item in ordered]
        if len(vectors) != len(texts) or any(len(vector) != self.dimensions for vector in vectors):
            raise ModelOutputInvalid(
                f"The embedding model {self.model} returned vectors of another number or length than {self.dimensions}. "
                "Set MARU_EMBEDDING_DIMENSIONS to what it makes."
            )
        return vectors


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts in order, in groups that an endpoint takes at once; an empty text is sent as a space, because it would be refused."""
    group: list[str] = []
    tokens = 0
    for text in texts:
        fitted = cut_to_tokens(text, _MOST_TOKENS_EACH) or " "
        needed = estimate_tokens(fitted)
        if group and (len(group) == _MOST_INPUTS or tokens + needed > _MOST_TOKENS):
            yield group
            group, tokens = [], 0
        group.append(fitted)
        tokens += needed
    if group:
        yield group
