"""The gateway and ingest together on one database and one index, for tests of what people record."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shared.testing.deliverer import HandDeliverer
from shared.testing.identity import PASSWORD, Somebody, auth_environment, callback_headers, public_key_pem

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI

    from shared.db import Database
    from shared.storage import ObjectStore
    from shared.streams import StreamHub
    from shared.testing.postgres import RoleUrls
    from shared.vectors import VectorIndex

AUDIENCE = "http://127.0.0.1:8001"
_EVENT = re.compile(r"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n")


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    seq: int
    type: str
    data: Mapping[str, Any]


@dataclass
class Memory:
    """Two services, and a deliverer between them that waits for the test's word."""

    api: httpx.AsyncClient
    ingest: httpx.AsyncClient
    deliverer: HandDeliverer
    vectors: VectorIndex
    storage: ObjectStore
    gateway: FastAPI
    owner: Database
    _clients: AsyncExitStack = field(repr=False, default_factory=AsyncExitStack)

    async def person(self, name: str = "jiwoo") -> Somebody:
        """Somebody new, signed in."""
        email = f"{name}-{uuid4().hex[:8]}@example.com"
        body = {"email": email, "password": PASSWORD, "data": {"name": name}}
        answer = await self.api.post("/auth/v1/signup", json=body)
        assert answer.status_code == 200, answer.text
        session = answer.json()
        client = await self._clients.enter_async_context(_client(self.gateway, session["access_token"]))
        me = (await client.get("/api/v1/me")).json()
        user = session["user"]["id"]
        return Somebody(client, user, email, session["access_token"], session["refresh_token"], me["personal_space_id"])

    async def note(self, who: Somebody, body: str, **fields: Any) -> dict[str, Any]:
        """Save a note; it is not understood before `settle`."""
        answer = await who.http.post("/api/v1/entries", json={"kind": "note", "body": body, **fields})
        assert answer.status_code == 201, answer.text
        saved: dict[str, Any] = answer.json()
        return saved

    async def upload(self, who: Somebody, name: str, content_type: str, data: bytes, **fields: Any) -> str:
        """Upload a file as a browser does; the answer is its id."""
        wanted = {"filename": name, "content_type": content_type, "size": len(data), **fields}
        begun = await who.http.post("/api/v1/uploads", json=wanted)
        assert begun.status_code == 201, begun.text
        ticket = begun.json()
        put = await self.api.put(ticket["url"], content=data, headers=ticket["headers"])
        assert put.status_code == 200, put.text
        completed = await who.http.post(f"/api/v1/uploads/{ticket['id']}/complete")
        assert completed.status_code == 200, completed.text
        return str(ticket["id"])

    async def settle(self) -> None:
        """Deliver everything, until nothing is left to do."""
        await self.deliverer.drain()

    async def entry(self, who: Somebody, entry_id: str) -> dict[str, Any]:
        """Read an entry."""
        answer = await who.http.get(f"/api/v1/entries/{entry_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def hits(self, who: Somebody, query: str, **fields: Any) -> list[dict[str, Any]]:
        """Search."""
        answer = await who.http.post("/api/v1/search", json={"query": query, **fields})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["hits"]
        return found

    async def rows(self, query: str, *arguments: Any) -> list[dict[str, Any]]:
        """What the database holds, seen from above row-level security."""
        async with self.owner.service_tx() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]


def events_of(text: str) -> list[Event]:
    """The events of a stream's body."""
    import json

    return [Event(int(seq), kind, json.loads(data)) for seq, kind, data in _EVENT.findall(text)]


def memory_environment(urls: RoleUrls, home: Path) -> dict[str, str]:
    """What both services are started with."""
    return {
        "API_DATABASE_URL": urls.api,
        "INGEST_DATABASE_URL": urls.ingest,
        "DATABASE_MAX_CONNECTIONS": "8",
        "MARU_HOME": str(home),
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": public_key_pem(),
        "MARU_FILES_KEY": "k" * 43,
        "MARU_RATE_LIMITS": "off",
        **auth_environment(),
    }


@dataclass(frozen=True, slots=True)
class Parts:
    """What both services share in one process."""

    hub: StreamHub
    vectors: VectorIndex
    storage: ObjectStore


@asynccontextmanager
async def open_memory(
    urls: RoleUrls,
    parts: Parts,
    build_api: Callable[[], FastAPI],
    build_ingest: Callable[[], FastAPI],
    topics: frozenset[str],
) -> AsyncGenerator[Memory]:
    """Start both; `build_…` make the applications around `parts`."""
    from shared.db import Database

    gateway, ingest = build_api(), build_ingest()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(parts.vectors.close)
        stack.push_async_callback(parts.storage.close)
        owner, postman = Database(urls.superuser, max_size=2), Database(urls.ingest, max_size=2)
        stack.push_async_callback(owner.close)
        stack.push_async_callback(postman.close)
        for app in (gateway, ingest):
            await stack.enter_async_context(app.router.lifespan_context(app))
        api = await stack.enter_async_context(_client(gateway))
        inside = await stack.enter_async_context(_client(ingest))
        inside.headers.update(callback_headers(AUDIENCE))
        deliverer = HandDeliverer(postman, inside, topics)
        clients = await stack.enter_async_context(AsyncExitStack())
        yield Memory(api, inside, deliverer, parts.vectors, parts.storage, gateway, owner, clients)


def _client(app: FastAPI, access_token: str | None = None) -> httpx.AsyncClient:
    import httpx

    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://maru.test", headers=headers, timeout=60)
