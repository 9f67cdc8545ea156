"""A service that remembers what it was sent and answers as it is told."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from shared.testing import eventually


@dataclass
class Received:
    """One call."""

    path: str
    headers: dict[str, str]
    payload: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """What the producer wrote, whichever envelope it came in."""
        if "message" in self.payload:
            decoded: dict[str, Any] = json.loads(base64.b64decode(self.payload["message"]["data"]))
            return decoded
        return self.payload


Answer = int | tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """The answers are scripted by `answer`, which may also wait."""

    answer: Callable[[Received], Awaitable[Answer]]
    calls: list[Received] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    base: str = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            event = await receive()
            body += event.get("body", b"")
            if not event.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        call = Received(scope["path"], headers, json.loads(body))
        self.calls.append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            answer = await self.answer(call)
        finally:
            self.at_once -= 1
        status, extra = answer if isinstance(answer, tuple) else (answer, {})
        sent = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": b"the receiver's words" if status >= 400 else b""})


async def accept(_: Received) -> Answer:
    """Answer 204."""
    return 204


@asynccontextmanager
async def receiving(
    answer: Callable[[Received], Awaitable[Answer]] = accept, port: int = 0
) -> AsyncGenerator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(answer)
    server = uvicorn.Server(
        uvicorn.Config(receiver, port=port, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    bound = server.servers[0].sockets[0].getsockname()[1]
    receiver.base = f"http://127.0.0.1:{bound}"
    try:
        yield receiver
    finally:
        server.should_exit = True
        await serving
