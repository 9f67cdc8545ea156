"""A Qdrant server as far as our adapter speaks to one: its REST API over the client library's own local engine.

Requests are read and answers written with the library's wire models, so what the adapter sends is checked as the
server would check it, and as one in strict mode: a filter needs an index of its field. Writes must wait for their effect.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, TypeAdapter


class QdrantPeer:
    """The application and the switches a test turns.

    `broken` makes every answer an error, with `retry_after` where set; `api_key` is demanded when set; `failing` are parts of requests
    ("PUT /collections/x") that fail once each; while `going` is not set, nothing is answered. `callers` are the ports that requests came from.
    """

    def __init__(self, api_key: str | None = None) -> None:
        from qdrant_client import AsyncQdrantClient

        self.engine = AsyncQdrantClient(":memory:")
        self.api_key = api_key
        self.broken: int | None = None
        self.retry_after: int | None = None
        self.failing: list[str] = []
        self.going = threading.Event()
        self.going.set()
        self.version = "1.19.1"
        self.indexes: dict[str, dict[str, str]] = {}
        self.callers: set[int] = set()
        self.requests: list[str] = []
        self.url = ""

    def app(self) -> Any:
        """The ASGI application."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(routes=[Route("/{path:path}", self._serve, methods=["GET", "PUT", "POST", "DELETE"])])

    async def _serve(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        line = f"{request.method} {request.url.path}"
        self.requests.append(line)
        self.callers.add(request.client.port)
        await asyncio.to_thread(self.going.wait, 30)
        failing = [part for part in self.failing if part in line][:1]
        if self.broken or failing:
            self.failing = [part for part in self.failing if part not in failing]
            headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
            return JSONResponse({"status": {"error": "out of order"}}, self.broken or 500, headers)
        if self.api_key and request.headers.get("api-key") != self.api_key:
            return JSONResponse({"status": {"error": "Invalid API key or JWT"}}, 401)
        if request.url.path == "/":
            return JSONResponse({"title": "qdrant - vector search engine", "version": self.version})
        body = await request.json() if await request.body() else {}
        parts = request.path_params["path"].strip("/").split("/")
        try:
            await self._check(request, parts, body)
            result = await self._answer(request.method, parts, body)
        except ValueError as refused:
            return JSONResponse({"status": {"error": str(refused)}}, _status(str(refused)))
        return JSONResponse({"result": _plain(result), "status": "ok", "time": 0.0})

    async def _check(self, request: Any, parts: list[str], body: dict[str, Any]) -> None:
        """What the server refuses and the local engine lets pass."""
        if parts[0] != "collections" or len(parts) < 3:
            return
        name, action = parts[1], parts[2:]
        if action[0] == "points":
            await self.engine.get_collection(name)
        writes = action in (["points"], ["points", "delete"], ["points", "payload"], ["index"])
        if writes and request.query_params.get("wait") != "true":
            raise ValueError("a write that does not wait for its effect")
        unindexed = _filtered(body) - self.indexes.get(name, {}).keys()
        if unindexed:
            raise ValueError(f'Index required but not found for "{unindexed.pop()}"')

    async def _check_dense(self, name: str, vectors: list[Any]) -> None:
        spaces = (await self.engine.get_collection(name)).config.params.vectors
        known = {key: space.size for key, space in (spaces if isinstance(spaces, dict) else {}).items()}
        for key, numbers in vectors:
            if key not in known:
                raise ValueError(f"Wrong input: Not existing vector name error: {key}")
            if len(numbers) != known[key]:
                raise ValueError(f"Vector dimension error: expected dim: {known[key]}, got {len(numbers)}")

    async def _answer(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        from qdrant_client import models

        match (method, *parts):
            case ("GET", "collections", name, "exists"):
                return {"exists": await self.engine.collection_exists(name)}
            case ("GET", "collections", name):
                found = _plain(await self.engine.get_collection(name))
                indexes = {key: {"data_type": kind, "points": 0} for key, kind in self.indexes.get(name, {}).items()}
                return {**found, "payload_schema": indexes}
            case ("DELETE", "collections", name):
                self.indexes.pop(name, None)
                return await self.engine.delete_collection(name)
            case ("PUT", "collections", name):
                return await self._create(name, body)
            case ("PUT", "collections", name, "index"):
                await self.engine.get_collection(name)
                wanted = models.CreateFieldIndex.model_validate(body)
                kind = getattr(wanted.field_schema, "type", wanted.field_schema)
                self.indexes.setdefault(name, {})[wanted.field_name] = str(getattr(kind, "value", kind))
                return _done()
            case ("GET", "aliases"):
                return await self.engine.get_aliases()
            case ("POST", "collections", "aliases"):
                return await self._alias(body)
            case (_, "collections", name, "points", *action):
                return await self._points(name, action, body)
        raise ValueError(f"{method} {'/'.join(parts)} not found")

    async def _create(self, name: str, body: dict[str, Any]) -> bool:
        from qdrant_client import models

        wanted = models.CreateCollection.model_validate(body)
        return await self.engine.create_collection(
            name, vectors_config=wanted.vectors or {}, sparse_vectors_config=wanted.sparse_vectors
        )

    async def _alias(self, body: dict[str, Any]) -> bool:
        from qdrant_client import models

        return await self.engine.update_collection_aliases(models.ChangeAliasesOperation.model_validate(body).actions)

    async def _points(self, name: str, action: list[str], body: dict[str, Any]) -> Any:
        from qdrant_client import models

        match action:
            case []:
                points = models.PointsList.model_validate(body).points
                await self._check_dense(name, [pair for point in points for pair in _dense_of(point.vector)])
                await self.engine.upsert(name, points)
            case ["delete"]:
                await self.engine.delete(name, TypeAdapter(models.PointsSelector).validate_python(body))
            case ["payload"]:
                change = models.SetPayload.model_validate(body)
                assert change.filter is not None
                await self.engine.set_payload(name, change.payload, points=change.filter)
            case ["count"]:
                asked = models.CountRequest.model_validate(body)
                return await self.engine.count(name, asked.filter, exact=bool(asked.exact))
            case ["scroll"]:
                scroll = models.ScrollRequest.model_validate(body)
                records, offset = await self.engine.scroll(
                    name,
                    scroll.filter,
                    limit=scroll.limit or 10,
                    offset=scroll.offset,
                    with_payload=bool(scroll.with_payload),
                )
                return {"points": [_plain(record) for record in records], "next_page_offset": offset}
            case ["query"]:
                return await self._query(name, models.QueryRequest.model_validate(body))
        return _done()

    async def _query(self, name: str, asked: Any) -> Any:
        stages = [asked, *(asked.prefetch or [])]
        await self._check_dense(name, [(stage.using, stage.query) for stage in stages if isinstance(stage.query, list)])
        return await self.engine.query_points(
            name,
            query=asked.query,
            using=asked.using,
            prefetch=asked.prefetch,
            query_filter=asked.filter,
            search_params=asked.params,
            limit=asked.limit or 10,
            with_payload=asked.with_payload or False,
        )


@contextmanager
def running_qdrant(api_key: str | None = None) -> Iterator[QdrantPeer]:
    """The peer on a free port, in a thread of its own."""
    import uvicorn

    peer = QdrantPeer(api_key)
    listener = socket.create_server(("127.0.0.1", 0))
    peer.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(peer.app(), log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    try:
        yield peer
    finally:
        server.should_exit = True
        thread.join(10)


def _dense_of(vector: Any) -> list[tuple[str, list[float]]]:
    named = vector if isinstance(vector, dict) else {}
    return [(key, numbers) for key, numbers in named.items() if isinstance(numbers, list)]


def _filtered(body: Any) -> set[str]:
    """The fields that any filter in this body names."""
    if isinstance(body, list):
        return {key for one in body for key in _filtered(one)}
    if not isinstance(body, dict):
        return set()
    own = {str(body["key"])} if "key" in body and ("match" in body or "range" in body) else set()
    return own | {key for name, part in body.items() if name != "payload" for key in _filtered(part)}


def _status(refusal: str) -> int:
    if "not found" in refusal and "Index required" not in refusal:
        return 404
    return 409 if "already exists" in refusal else 400


def _done() -> dict[str, Any]:
    return {"operation_id": 0, "status": "completed"}


def _plain(result: Any) -> Any:
    return result.model_dump(mode="json", exclude_none=True) if isinstance(result, BaseModel) else result
