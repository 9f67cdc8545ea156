"""A Qdrant server as far as our adapter speaks to one: its REST API over the client library's own local engine.

Requests are read and answers written with the library's wire models, so what the adapter sends is checked as the
server would check it. `broken` makes every answer an error, `api_key` is demanded when set.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, TypeAdapter


class QdrantPeer:
    """The application and the switches a test turns."""

    def __init__(self, api_key: str | None = None) -> None:
        from qdrant_client import AsyncQdrantClient

        self.engine = AsyncQdrantClient(":memory:")
        self.api_key = api_key
        self.broken: int | None = None
        self.requests: list[str] = []
        self.url = ""

    def app(self) -> Any:
        """The ASGI application."""
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(routes=[Route("/{path:path}", self._serve, methods=["GET", "PUT", "POST", "DELETE"])])

    async def _serve(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        self.requests.append(f"{request.method} {request.url.path}")
        if self.broken:
            return JSONResponse({"status": {"error": "out of order"}}, self.broken)
        if self.api_key and request.headers.get("api-key") != self.api_key:
            return JSONResponse({"status": {"error": "forbidden"}}, 403)
        body = await request.json() if await request.body() else {}
        parts = request.path_params["path"].strip("/").split("/")
        try:
            result = await self._answer(request.method, parts, body)
        except ValueError as refused:
            return JSONResponse({"status": {"error": str(refused)}}, 404 if "not found" in str(refused) else 400)
        return JSONResponse({"result": _plain(result), "status": "ok", "time": 0.0})

    async def _answer(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        match (method, *parts):
            case ("GET", "collections", name, "exists"):
                return {"exists": await self.engine.collection_exists(name)}
            case ("GET", "collections", name):
                return await self.engine.get_collection(name)
            case ("PUT", "collections", name):
                return await self._create(name, body)
            case ("PUT", "collections", _, "index"):
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
                await self.engine.upsert(name, models.PointsList.model_validate(body).points)
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


def _done() -> dict[str, Any]:
    return {"operation_id": 0, "status": "completed"}


def _plain(result: Any) -> Any:
    return result.model_dump(mode="json", exclude_none=True) if isinstance(result, BaseModel) else result
