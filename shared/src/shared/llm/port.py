"""The ports: what a model can be asked, whoever runs it.

A second call asks a second time and costs a second time: none of these is idempotent, callers cache.
Every method may raise a `ModelError`; nothing else leaves an adapter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import BaseModel

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class PromptName:
    """Which of our prompts it is and which edition of its words; for those who look at calls afterwards."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a call consumed; `cost_micros` (millionths of a dollar) is None when the model's price is unknown."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    calls: int = 0
    cost_micros: int | None = 0

    def __add__(self, other: Usage) -> Usage:
        known = self.cost_micros is not None and other.cost_micros is not None
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.calls + other.calls,
            (self.cost_micros or 0) + (other.cost_micros or 0) if known else None,
        )

    def as_json(self) -> dict[str, Any]:
        """For a message's `usage`."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cached_tokens": self.cached_tokens,
            "llm_calls": self.calls,
            "cost_micros": self.cost_micros,
        }


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of an answer; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The last thing of a stream that ended well; `truncated` says that the answer met its token limit."""

    usage: Usage
    truncated: bool = False


class LanguageModel(Protocol):
    """Writes text."""

    @property
    def name(self) -> str:
        """The model's own name."""
        ...

    @property
    def provider(self) -> str:
        """Who answers, for people to read: `openai`, or the host of a compatible endpoint."""
        ...

    def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float | None = None,
        pace: Callable[[], float] | None = None,
        prompt: PromptName | None = None,
    ) -> AsyncIterator[TextDelta | UsageReport]:
        """Text as it is written, then one `UsageReport`. Retried only before the first piece; closing the iterator hangs up.

        `pace` is asked after the first piece, again and again: for how many seconds may pieces be gathered and given as one.
        """
        ...

    async def structured(
        self,
        messages: Sequence[ChatMessage],
        schema: type[S],
        *,
        max_tokens: int = 2000,
        prompt: PromptName | None = None,
    ) -> tuple[S, Usage]:
        """An instance of `schema`; an answer that does not fit is repaired once, then `ModelOutputInvalid`."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of one length."""

    @property
    def model(self) -> str:
        """The model's own name; part of every cache key."""
        ...

    @property
    def dimensions(self) -> int:
        """The length of each vector."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector a text, in order, batched within the endpoint's limits; a text over the model's length is cut."""
        ...


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """What a photo shows, and the text that can be read in it (empty when there is none)."""

    description: str
    text: str


class Vision(Protocol):
    """Looks at images."""

    @property
    def name(self) -> str:
        """The model's own name."""
        ...

    async def describe(self, image: bytes, content_type: str, language: str) -> ImageDescription:
        """Describe an image in `language` (`ko`, `en`); it is scaled down and its metadata dropped before it leaves."""
        ...


class Transcriber(Protocol):
    """Listens to recordings."""

    @property
    def name(self) -> str:
        """The model's own name."""
        ...

    async def transcribe(self, path: Path, content_type: str) -> str:
        """The words of a recording."""
        ...
