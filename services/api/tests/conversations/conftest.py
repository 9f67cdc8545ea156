"""Gateways on real ports, a model on the wire, people with memories."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from api.main import Engines, build_app
from shared.streams import StreamHub
from shared.testing.identity import PASSWORD
from shared.testing.memories import Memories
from shared.testing.openai_peer import OpenAiPeer
from shared.testing.postgres import RoleUrls
from shared.testing.serving import SentEvent, sent_events, served
from shared.vectors.edge import EdgeIndex


@dataclass
class Talker:
    """A signed-in person at one gateway."""

    http: httpx.AsyncClient
    id: str
    space_id: str
    token: str
    memories: Memories

    async def remember(self, text: str, **more: Any) -> str:
        """Have an entry."""
        return await self.memories.remember(self.space_id, self.id, text, **more)

    async def begin(self, **body: Any) -> str:
        """A new conversation's id."""
        answer = await self.http.post("/api/v1/conversations", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def ask(self, conversation: str, content: str, **headers: str) -> dict[str, Any]:
        """The finished answer."""
        answer = await self.http.post(
            f"/api/v1/conversations/{conversation}/messages", json={"content": content}, headers=headers
        )
        assert answer.status_code == 200, answer.text
        message: dict[str, Any] = answer.json()
        return message

    async def stream(self, conversation: str, content: str, **headers: str) -> AsyncGenerator[SentEvent]:
        """The answer's events as they come."""
        async with self.http.stream(
            "POST",
            f"/api/v1/conversations/{conversation}/messages",
            json={"content": content},
            headers={"Accept": "text/event-stream", **headers},
        ) as response:
            assert response.status_code == 200, await response.aread()
            async for event in sent_events(response.aiter_lines()):
                yield event

    async def events(self, conversation: str, content: str, **headers: str) -> list[SentEvent]:
        """All events of an answer."""
        return [event async for event in self.stream(conversation, content, **headers)]

    async def resume(self, stream_id: str, after: int | None = None) -> list[SentEvent]:
        """The stream's events after one of them."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with self.http.stream("GET", f"/api/v1/streams/{stream_id}", headers=headers) as response:
            assert response.status_code in {200, 204}, await response.aread()
            return [event async for event in sent_events(response.aiter_lines())]

    async def read(self, conversation: str) -> dict[str, Any]:
        """A conversation with its messages."""
        answer = await self.http.get(f"/api/v1/conversations/{conversation}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document


@dataclass
class House:
    """Gateways on one database and one index."""

    urls: RoleUrls
    environment: dict[str, str]
    vectors: EdgeIndex
    peer: OpenAiPeer
    memories: Memories
    stack: AsyncExitStack
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def open(self, *, model: bool = True, **more: str) -> str:
        """Start a gateway; its URL."""
        base = self.environment | (self.peer.environment if model else {}) | {"MARU_EMBEDDING_MODEL": "none"} | more
        app = build_app(base, Engines(hub=StreamHub(), vectors=self.vectors))
        return await self.stack.enter_async_context(served(app))

    async def sign_up(self, url: str, name: str = "jiwoo") -> Talker:
        """A new person at the gateway `url`."""
        async with httpx.AsyncClient(base_url=url, timeout=90) as nobody:
            made = await nobody.post(
                "/auth/v1/signup", json={"email": f"{name}-{uuid4().hex[:8]}@example.com", "password": PASSWORD}
            )
        assert made.status_code == 200, made.text
        session = made.json()
        talker = self.at(url, session["access_token"], session["user"]["id"], "")
        me = await talker.http.get("/api/v1/me")
        talker.space_id = me.json()["personal_space_id"]
        return talker

    def at(self, url: str, token: str, person: str, space_id: str) -> Talker:
        """The same person at another gateway."""
        http = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=90)
        self.clients.append(http)
        return Talker(http, person, space_id, token, self.memories)


@pytest.fixture
async def house(database_urls: RoleUrls, gateway_environment: dict[str, str], tmp_path: Path) -> AsyncGenerator[House]:
    """Nothing runs yet; open gateways as needed."""
    environment = gateway_environment | {"MARU_RATE_LIMITS": "off"}
    vectors = EdgeIndex(tmp_path / "vectors", None)
    async with AsyncExitStack() as stack, OpenAiPeer() as peer:
        made = House(
            database_urls,
            environment,
            vectors,
            peer,
            Memories(database_urls.superuser, vectors),
            stack,
        )
        try:
            yield made
        finally:
            for client in made.clients:
                await client.aclose()
            await stack.aclose()
            await vectors.close()


@pytest.fixture
async def talker(house: House) -> Talker:
    """Somebody at a gateway that has a model."""
    return await house.sign_up(await house.open())
