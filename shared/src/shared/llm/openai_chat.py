"""Chat completions of an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shared.llm.errors import ModelCutOff, ModelError, ModelOutputInvalid, ModelRefused
from shared.llm.openai_connection import OpenAiConnection, readable, stream_error, translated, within
from shared.llm.port import ChatMessage, PromptName, S, TextDelta, Usage, UsageReport
from shared.llm.prices import cost_micros
from shared.llm.schema import strict_schema
from shared.llm.sse import Pace, StreamWire, data_lines

if TYPE_CHECKING:
    import httpx2
    import openai

# These take no temperature and count the tokens they think with, so a small limit would leave nothing to read.
_REASONING = ("o1", "o3", "o4", "gpt-5")
_THINKING_ROOM = 4000
_DONE = "[DONE]"


class OpenAiLanguageModel:
    """`LanguageModel` on `/chat/completions`."""

    def __init__(self, connection: OpenAiConnection, model: str) -> None:
        self._connection = connection
        self.name = model
        self.provider = connection.endpoint.provider

    async def stream(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        temperature: float | None = None,
        pace: Pace | None = None,
        prompt: PromptName | None = None,  # noqa: ARG002 - the endpoint has no use for it
    ) -> AsyncGenerator[TextDelta | UsageReport]:
        """See the port."""
        request = self._request(messages, max_tokens, temperature)
        request |= {"stream": True, "stream_options": {"include_usage": True}}
        answer = _StreamedAnswer(self.name)
        async with AsyncExitStack() as stack:
            begin = partial(self._begin, stack, request, answer, pace)
            lines, piece = await self._connection.retried(begin)
            while piece is not None:
                yield piece
                piece = await answer.advance(lines)
        yield answer.report()

    async def structured(
        self,
        messages: Sequence[ChatMessage],
        schema: type[S],
        *,
        max_tokens: int = 2000,
        prompt: PromptName | None = None,  # noqa: ARG002 - the endpoint has no use for it
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
        self, stack: AsyncExitStack, request: dict[str, Any], answer: _StreamedAnswer, pace: Pace | None
    ) -> tuple[AsyncIterator[list[str]], TextDelta | None]:
        """Open the stream and wait for its first piece; a failure here costs the reader nothing, so it is retried."""
        client = await self._connection.client()
        limits = self._connection.endpoint.timeouts
        await stack.aclose()
        answer.reset()
        async with within(limits.first_token), translated():
            response = await _open_stream(client, request)
            stack.push_async_callback(response.aclose)
            wire = StreamWire(response.aiter_bytes(), limits, pace)
            stack.push_async_callback(wire.close)
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
        with readable():
            return self._read(completion)

    def _read(self, completion: Any) -> tuple[str, Usage]:
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
        self.reset()

    def reset(self) -> None:
        """Forget what an attempt that failed has told."""
        self._finish: str | None = None
        self._usage: dict[str, Any] | None = None
        self._waiting: deque[str] = deque()

    async def advance(self, batches: AsyncIterator[list[str]]) -> TextDelta | None:
        """The next piece of text, of as many lines as have arrived together; None at the end."""
        while True:
            if text := self._take_waiting():
                return TextDelta(text)
            if self._waiting and self._waiting[0] == _DONE:
                break
            batch = await anext(batches, None)
            if batch is None:
                break
            self._waiting.extend(batch)
        # Some endpoints leave out [DONE]; a stream that never said why it finished was cut, however politely the connection closed.
        if self._finish is None:
            raise ModelCutOff
        if self._finish == "content_filter":
            raise ModelRefused
        return None

    def _take_waiting(self) -> str:
        """The text of the lines that wait; one that fails waits on while there is text before it to be given."""
        texts: list[str] = []
        while self._waiting and self._waiting[0] != _DONE:
            try:
                text = self._take(self._waiting[0])
            except ModelError:
                if texts:
                    break
                raise
            self._waiting.popleft()
            if text:
                texts.append(text)
        return "".join(texts)

    def report(self) -> UsageReport:
        """The end."""
        return UsageReport(usage_of(self._model, self._usage), truncated=self._finish == "length")

    def _take(self, line: str) -> str | None:
        with readable():
            text = self._read(json.loads(line))
        if text is not None and not isinstance(text, str):
            raise ModelOutputInvalid
        return text

    def _read(self, chunk: Any) -> Any:
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
        return delta.get("content")


async def _open_stream(client: openai.AsyncOpenAI, request: dict[str, Any]) -> httpx2.Response:
    """The raw response, by the client's own `post`: `create` spends milliseconds on turning a plain body into the same plain body."""
    import httpx2

    answer: Any = await client.post("/chat/completions", cast_to=httpx2.Response, body=request, stream=bool(request))
    response: httpx2.Response = answer
    return response


def usage_of(model: str, counted: dict[str, Any] | None) -> Usage:
    """An endpoint's `usage` object as ours; one that counts nothing leaves zero tokens and an unknown cost."""
    if not counted:
        return Usage(calls=1, cost_micros=None)
    try:
        sent, written = int(counted.get("prompt_tokens") or 0), int(counted.get("completion_tokens") or 0)
        cached = int((counted.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
    except (AttributeError, TypeError, ValueError):
        # The answer is good all the same.
        return Usage(calls=1, cost_micros=None)
    return Usage(sent, written, cached, 1, cost_micros(model, sent, written, cached))


def _complaint(error: ValidationError) -> str:
    found = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'answer'}: {item['msg']}" for item in error.errors()[:10])
    return f"That did not fit the schema: {found}. Answer again with the JSON object alone."
