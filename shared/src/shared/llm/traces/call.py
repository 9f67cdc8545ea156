"""One call of a model while it runs: what went in, what came out, what it cost."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from shared.ids import new_id
from shared.telemetry import current_trace, request_id
from shared.telemetry.spans import begin, end

if TYPE_CHECKING:
    from uuid import UUID

    from shared.llm.port import PromptName, Usage
    from shared.telemetry import Span

Kind = Literal["chat", "embedding", "vision", "transcription"]


class Redaction:
    """Puts length and keyed hash in the place of a text: equal texts can be told, guessed ones not."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, text: str) -> str:
        """What is told instead of `text`."""
        digest = hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]
        return f"[redacted: {len(text)} characters, {digest}]"


@dataclass(slots=True)
class ModelCall:
    """A finished call as it is told; texts are already redacted unless content is wanted."""

    id: UUID
    kind: Kind
    operation: str
    provider: str
    model: str
    inputs: dict[str, Any]
    started: datetime
    parameters: dict[str, Any] = field(default_factory=dict)
    prompt: PromptName | None = None
    request_id: str = ""
    trace_id: str | None = None
    first_piece: datetime | None = None
    ended: datetime | None = None
    outputs: dict[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    error: str | None = None


class Running:
    """A call that is going on; `end` tells it, once."""

    def __init__(self, call: ModelCall, told: Callable[[ModelCall], None] | None) -> None:
        self.call = call
        self._told = told
        self._began = time.perf_counter()
        self._span: Span | None = begin(f"{call.operation} {call.model}", _attributes(call))

    def first_piece(self) -> None:
        """Text has begun to arrive."""
        if self.call.first_piece is None:
            self.call.first_piece = datetime.now(UTC)
            if self._span is not None:
                self._span.attributes["gen_ai.first_token_ms"] = round((time.perf_counter() - self._began) * 1000, 1)

    def failed(self, error: BaseException) -> None:
        """It went wrong; its type is told, and our own code for it."""
        self.call.error = f"{type(error).__qualname__} {getattr(error, 'code', '')}".strip()

    def end(self) -> None:
        """It is over."""
        call = self.call
        call.ended = datetime.now(UTC)
        if self._span is not None:
            self._span.error = call.error
            if call.usage is not None:
                self._span.attributes["gen_ai.usage.input_tokens"] = call.usage.input_tokens
                self._span.attributes["gen_ai.usage.output_tokens"] = call.usage.output_tokens
            end(self._span)
        if self._told is not None:
            self._told(call)


def running(
    kind: Kind,
    operation: str,
    who: tuple[str, str],
    inputs: dict[str, Any],
    told: Callable[[ModelCall], None] | None,
    **parameters: Any,
) -> Running:
    """A call of `who` (provider and model) that begins now."""
    trace = current_trace.get()
    call = ModelCall(new_id(), kind, operation, *who, inputs, datetime.now(UTC))
    call.prompt = parameters.pop("prompt", None)
    call.parameters = {name: value for name, value in parameters.items() if value is not None}
    call.request_id = request_id.get()
    call.trace_id = trace.trace_id if trace else None
    return Running(call, told)


def _attributes(call: ModelCall) -> dict[str, str | int | float | bool]:
    found: dict[str, str | int | float | bool] = {
        "gen_ai.operation.name": call.operation,
        "gen_ai.provider.name": call.provider,
        "gen_ai.request.model": call.model,
    }
    if call.prompt is not None:
        found |= {"maru.prompt.name": call.prompt.name, "maru.prompt.version": call.prompt.version}
    return found
