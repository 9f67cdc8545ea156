"""Files for tests, and the three steps that bring one in."""

from __future__ import annotations

from typing import Any

import httpx

from shared.testing.identity import Somebody

TEXT = "마루에 앉아 쓴 글.\n".encode() * 40
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
PDF = b"%PDF-1.7\n" + bytes(200)


async def begin(
    person: Somebody, data: bytes = TEXT, name: str = "note.txt", kind: str = "text/plain", **more: Any
) -> dict[str, Any]:
    wanted = {"filename": name, "content_type": kind, "size": len(data), **more}
    answer = await person.http.post("/api/v1/uploads", json=wanted)
    assert answer.status_code == 201, answer.text
    ticket: dict[str, Any] = answer.json()
    return ticket


async def send(outside: httpx.AsyncClient, ticket: dict[str, Any], data: bytes = TEXT) -> httpx.Response:
    assert ticket["method"] == "PUT"
    return await outside.put(ticket["url"], content=data, headers=ticket["headers"])


async def complete(person: Somebody, ticket: dict[str, Any]) -> httpx.Response:
    return await person.http.post(f"/api/v1/uploads/{ticket['id']}/complete")


async def uploaded(
    person: Somebody,
    outside: httpx.AsyncClient,
    data: bytes = TEXT,
    name: str = "note.txt",
    kind: str = "text/plain",
    **more: Any,
) -> dict[str, Any]:
    ticket = await begin(person, data, name, kind, **more)
    assert (await send(outside, ticket, data)).status_code == 200
    answer = await complete(person, ticket)
    assert answer.status_code == 200, answer.text
    upload: dict[str, Any] = answer.json()
    return upload
