"""The peer itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from shared.testing.openai_peer import replies, wire
from shared.testing.openai_peer.replies import Reply
from shared.testing.openai_peer.rules import Rejected, check_chat, check_embeddings
from shared.testing.openai_peer.wire import HttpRequest


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that came in; `body` is its JSON, or the raw bytes of a form."""

    path: str
    headers: dict[str, str]
    body: Any


class OpenAiPeer:
    """Use as `async with OpenAiPeer() as peer`. Replies that were scripted are used up in order, then `default` answers."""

    def __init__(
        self, port: int = 0, *, api_key: str = "sk-peer", default: Reply | None = None, remember: bool = True
    ) -> None:
        self._port = port
        self._default = default or Reply()
        self._script: deque[Reply] = deque()
        self._remember = remember
        self._release = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.api_key = api_key
        self.requests: list[RecordedRequest] = []
        self.held = asyncio.Event()
        self.hung_up = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self._port, limit=64 * 1024 * 1024, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def base_url(self) -> str:
        """For `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """What a service needs to be pointed here."""
        return {"OPENAI_API_KEY": self.api_key, "OPENAI_BASE_URL": self.base_url}

    @property
    def chats(self) -> list[Any]:
        """The bodies of the chat completions asked for so far."""
        return [request.body for request in self.requests if request.path == "/v1/chat/completions"]

    def script(self, *scripted: Reply) -> None:
        """Answer the next requests like this."""
        self._script.extend(scripted)

    def release(self) -> None:
        """Let streams that hold go on."""
        self._release.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await wire.read_request(reader):
                await self._answer(request, reader, writer)
        except ConnectionError:
            self.hung_up += 1
        finally:
            writer.close()

    async def _answer(self, request: HttpRequest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            body = self._admit(request)
        except Rejected as rejected:
            status = 401 if str(rejected) == "unauthorised" else 400
            await wire.send_json(writer, status, _error(str(rejected), "invalid_request_error", None))
            return
        if request.path == "/v1/models":
            await wire.send_json(writer, 200, {"object": "list", "data": [{"id": "peer", "object": "model"}]})
            return
        reply = self._script.popleft() if self._script else self._default
        await asyncio.sleep(reply.delay_s)
        if reply.status != 200:
            kind = "rate_limit_error" if reply.status == 429 else "server_error"
            await wire.send_json(writer, reply.status, _error("scripted", kind, reply.code), reply.headers)
            return
        match request.path:
            case "/v1/chat/completions" if body.get("stream"):
                await self._stream(body, reply, reader, writer)
            case "/v1/chat/completions":
                await self._complete(body, reply, writer)
            case "/v1/embeddings":
                await wire.send_json(writer, 200, _embeddings(body))
            case "/v1/audio/transcriptions":
                await wire.send_json(writer, 200, {"text": reply.text or "A recording."})
            case _:
                await wire.send_json(writer, 404, _error("no such path", "invalid_request_error", None))

    def _admit(self, request: HttpRequest) -> Any:
        """Check key and body; remember the request."""
        if request.headers.get("authorization") != f"Bearer {self.api_key}":
            raise Rejected("unauthorised")
        body: Any = request.body
        if request.headers.get("content-type", "").startswith("application/json"):
            try:
                body = json.loads(request.body)
            except ValueError as error:
                raise Rejected("the body is not JSON") from error
        if self._remember:
            self.requests.append(RecordedRequest(request.path, dict(request.headers), body))
        if request.path == "/v1/chat/completions":
            check_chat(body)
        elif request.path == "/v1/embeddings":
            check_embeddings(body)
        elif request.path == "/v1/audio/transcriptions" and b'name="model"' not in body:
            raise Rejected("model is required")
        return body

    async def _complete(self, body: Any, reply: Reply, writer: asyncio.StreamWriter) -> None:
        text = reply.text if reply.text is not None else replies.own_text(body)
        message = {"role": "assistant", "content": None if reply.refusal else text, "refusal": reply.refusal}
        if reply.cut_after is not None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{")
            await writer.drain()
            raise ConnectionResetError
        await wire.send_json(
            writer,
            200,
            _envelope(body, "chat.completion")
            | {
                "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}],
                "usage": _usage(body, text),
            },
        )

    async def _stream(
        self, body: Any, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await wire.begin_stream(writer)
        text = reply.text if reply.text is not None else replies.own_text(body)
        for count, line in enumerate(reply.lines if reply.lines is not None else _chunks(body, reply, text), -1):
            if reply.hold_after is not None and count == reply.hold_after:
                await self._hold(reader)
            if reply.cut_after is not None and count == reply.cut_after:
                raise ConnectionResetError
            if reply.error_after is not None and count == reply.error_after:
                await wire.send_event(writer, json.dumps(_error("scripted", "server_error", reply.code)))
                break
            await wire.send_event(writer, line)
            if reply.token_delay_s and count >= 0:
                await asyncio.sleep(reply.token_delay_s)
        await wire.end_stream(writer)

    async def _hold(self, reader: asyncio.StreamReader) -> None:
        """Silence until released; a client that hangs up meanwhile ends it."""
        self.held.set()
        released = asyncio.ensure_future(self._release.wait())
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({released, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise ConnectionResetError
        finally:
            released.cancel()
            gone.cancel()
            # The reader serves one at a time: the next request may only be read when this has let go.
            await asyncio.gather(released, gone, return_exceptions=True)


def _chunks(body: Any, reply: Reply, text: str) -> list[str]:
    """The `data:` lines of a stream: the role, each piece, the reason for the end, the usage if asked for, [DONE]."""
    frame = _envelope(body, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return json.dumps(frame | {"choices": [choice]}, ensure_ascii=False)

    lines = [chunk({"role": "assistant", "content": "", "refusal": None})]
    if reply.refusal:
        lines.append(chunk({"refusal": reply.refusal}))
    else:
        lines.extend(chunk({"content": piece}) for piece in reply.split(text))
    lines.append(chunk({}, reply.finish_reason))
    if reply.usage and (body.get("stream_options") or {}).get("include_usage"):
        lines.append(json.dumps(frame | {"choices": [], "usage": _usage(body, text)}))
    return [*lines, "[DONE]"]


def _embeddings(body: Any) -> dict[str, Any]:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    dimensions = body.get("dimensions", 256)
    data = [
        {"object": "embedding", "index": index, "embedding": replies.embedding(text, dimensions)}
        for index, text in enumerate(texts)
    ]
    tokens = sum(replies.count_tokens(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": body["model"], "data": data, "usage": usage}


def _envelope(body: Any, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid4().hex[:12]}", "object": kind, "created": int(time.time()), "model": body["model"]}


def _usage(body: Any, text: str) -> dict[str, Any]:
    sent, written = replies.prompt_tokens(body), replies.count_tokens(text)
    return {
        "prompt_tokens": sent,
        "completion_tokens": written,
        "total_tokens": sent + written,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


def _error(message: str, kind: str, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
