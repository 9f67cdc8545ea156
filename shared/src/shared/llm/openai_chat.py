"""Chat completions of an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shared.llm.errors import ModelCutOff, ModelOutputInvalid, ModelRefused
from shared.llm.openai_connection import OpenAiConnection, stream_error, translated, within
from shared.llm.port import ChatMessage, S, TextDelta, Usage, UsageReport
from shared.llm.prices import cost_micros
from shared.llm.retry import with_retries
from shared.llm.schema import strict_schema
from shared.llm.sse import StreamWire, data_lines

if TYPE_CHECKING:
    import openai

# These take no temperature and count the tokens they think with, so a small limit would leave nothing to read.
_REASONING = ("o1", "o3", "o4", "gpt-5")
_THINKING_ROOM = 4000


class OpenAiLanguageModel:
    """`LanguageModel` on `/chat/completions`."""

    def __init__(self, connection: OpenAiConnection, model: str) -> None:
        self._connection = connection
        self.name = model
        self.provider = connection.endpoint.provider

    async def stream(
        self, messages: Sequence[ChatMessage], *, max_tokens: int, temperature: float | None = None
    ) -> AsyncGenerator[TextDelta | UsageReport]:
        """See the port."""
        request = self._request(messages, max_tokens, temperature)
        request |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = _StreamedAnswer(self.name)
        async with AsyncExitStack() as stack:
            begin = partial(self._begin, stack, request, answer)
            lines, piece = await with_retries(self._connection.endpoint.retries, begin)
            while piece is not None:
                yield piece
                piece = await answer.advance(lines)
        yield answer.report()

    async def structured(
        self, messages: Sequence[ChatMessage], schema: type[S], *, max_tokens: int = 2000
    ) -> tuple[S, Usage]:
        """See the port."""
        asked, usage = list(messages), Usage()
        for repair in (False, True):
            text, used = await self._complete(asked, schema, max_tokens)
            usage += used
            try:
                return schema.model_validate_json(text), usage
            except ValidationError as error:
                if repair:
                    raise ModelOutputInvalid from error
                asked += [ChatMessage("assistant", text), ChatMessage("user", _complaint(error))]
        raise AssertionError("the second round returns or raises")

    async def _begin(
        self, stack: AsyncExitStack, request: dict[str, Any], answer: _StreamedAnswer
    ) -> tuple[AsyncIterator[str], TextDelta | None]:
        """Open the stream and wait for its first piece; a failure here costs the reader nothing, so it is retried."""
        client = await self._connection.client()
        limits = self._connection.endpoint.timeouts
        await stack.aclose()
        async with within(limits.first_token), translated():
            response = await stack.enter_async_context(
                client.chat.completions.with_streaming_response.create(**request)
            )
            wire = StreamWire(response.iter_bytes(), limits)
            lines = data_lines(wire.chunks())
            first = await answer.advance(lines)
        wire.begun = True
        return lines, first

    async def _complete(self, messages: Sequence[ChatMessage], schema: type[S], max_tokens: int) -> tuple[str, Usage]:
        request = self._request(messages, max_tokens, 0)
        shape = {"name": schema.__name__, "schema": strict_schema(schema), "strict": True}

        request["response_format"] = {"type": "json_schema", "json_schema": shape}

        async def ask(client: openai.AsyncOpenAI) -> Any:
            return await client.chat.completions.create(**request)

        completion = await self._connection.call(ask)
        choice = completion.choices[0] if completion.choices else None
        if choice is None or choice.finish_reason == "length":
            raise ModelOutputInvalid
        if choice.message.refusal or choice.finish_reason == "content_filter":
            raise ModelRefused
        counted = completion.usage.model_dump() if completion.usage else None
        return choice.message.content or "", usage_of(self.name, counted)

    def _request(self, messages: Sequence[ChatMessage], max_tokens: int, temperature: float | None) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
        }
        reasoning = self.name.startswith(_REASONING)
        if self._connection.endpoint.official:
            request["max_completion_tokens"] = max_tokens + (_THINKING_ROOM if reasoning else 0)
        else:
            request["max_tokens"] = max_tokens
        if temperature is not None and not reasoning:
            request["temperature"] = temperature
        return request


class _StreamedAnswer:
    """What the events of one stream have told so far."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None

    async def advance(self, lines: AsyncIterator[str]) -> TextDelta | None:
        """The next piece of text, None at the end."""
        async for line in lines:
            if line == "[DONE]":
                break
            if text := self._take(line):
                return TextDelta(text)
        # Some endpoints leave out [DONE]; a stream that never said why it finished was cut, however politely the connection closed.
        if self._finish is None:
            raise ModelCutOff
        if self._finish == "content_filter":
            raise ModelRefused
        return None

    def report(self) -> UsageReport:
        """The end."""
        return UsageReport(usage_of(self._model, self._usage), truncated=self._finish == "length")

    def _take(self, line: str) -> str | None:
        try:
            chunk = json.loads(line)
        except ValueError as error:
            raise ModelOutputInvalid from error
        if not isinstance(chunk, dict):
            raise ModelOutputInvalid
        if failure := chunk.get("error"):
            details = failure if isinstance(failure, dict) else {}
            raise stream_error(details.get("code"), details.get("type"))
        self._usage = chunk.get("usage") or self._usage
        choice = (chunk.get("choices") or [None])[0]
        if choice is None:
            return None
        self._finish = choice.get("finish_reason") or self._finish
        delta = choice.get("delta") or {}
        if delta.get("refusal"):
            raise ModelRefused
        text: str | None = delta.get("content")
        return text


def usage_of(model: str, counted: dict[str, Any] | None) -> Usage:
    """An endpoint's `usage` object as ours; one that counts nothing leaves zero tokens and an unknown cost."""
    if not counted:
        return Usage(calls=1, cost_micros=None)
    sent, written = int(counted.get("prompt_tokens") or 0), int(counted.get("completion_tokens") or 0)
    cached = int((counted.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    return Usage(sent, written, cached, 1, cost_micros(model, sent, written, cached))


def _complaint(error: ValidationError) -> str:
    found = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}" for item in error.errors()[:10])
    return f"That did not fit the schema: {found}. Answer again with the JSON object alone."
