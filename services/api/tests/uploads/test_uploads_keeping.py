"""What becomes of an upload: repeated, forgotten, taken back, part of an entry, or its store away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import asyncpg
import httpx
from api.uploads.service import UploadService
from fastapi import FastAPI
from shared.storage import ObjectStore
from shared.storage.keys import original_key, thumbnail_key
from shared.testing.identity import SignUp
from shared.testing.s3_peer import S3Peer
from shared.testing.uploads import PNG, TEXT, begin, complete, send, uploaded


async def test_the_same_request_is_the_same_upload(
    sign_up: SignUp, outside: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    jiwoo = await sign_up()
    wanted = {"filename": "a.txt", "content_type": "text/plain", "size": len(TEXT)}
    key = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(jiwoo.http.post("/api/v1/uploads", json=wanted, headers=key) for _ in range(3)))
    tickets = [answer.json() for answer in answers]
    assert len({ticket["id"] for ticket in tickets}) == 1
    assert await rows.fetchval("SELECT count(*) FROM maru.uploads") == 1
    assert (await send(outside, tickets[-1])).status_code == 200
    other = await jiwoo.http.post("/api/v1/uploads", json={**wanted, "size": 9}, headers=key)
    assert other.json()["code"] == "idempotency_key_reused"


async def test_what_nobody_completes_is_forgotten_with_its_file(
    sign_up: SignUp,
    outside: httpx.AsyncClient,
    gateway: FastAPI,
    rows: asyncpg.Connection,
    stored: Callable[[], list[str]],
) -> None:
    jiwoo = await sign_up()
    kept, late, young = await uploaded(jiwoo, outside), await begin(jiwoo), await begin(jiwoo)
    for ticket in (late, young):
        await send(outside, ticket)
    await rows.execute(
        "UPDATE maru.uploads SET expires_at = now() - interval '1 second' WHERE id = ANY($1)",
        [UUID(late["id"]), UUID(kept["id"])],
    )
    service: UploadService = gateway.state.services.get(UploadService)
    assert await service.forget_abandoned() == 1
    assert await service.forget_abandoned() == 0
    assert (await complete(jiwoo, late)).status_code == 404
    assert (await complete(jiwoo, young)).status_code == 200
    assert (await jiwoo.http.get(kept["content_url"])).status_code == 302
    assert len(stored()) == 2


async def test_an_upload_can_be_taken_back(
    sign_up: SignUp, outside: httpx.AsyncClient, stored: Callable[[], list[str]]
) -> None:
    jiwoo = await sign_up()
    upload = await uploaded(jiwoo, outside)
    assert (await jiwoo.http.delete(f"/api/v1/uploads/{upload['id']}")).status_code == 204
    assert (await jiwoo.http.delete(f"/api/v1/uploads/{upload['id']}")).status_code == 404
    assert stored() == []


async def test_a_file_of_an_entry_stays_with_it(sign_up: SignUp, outside: httpx.AsyncClient) -> None:
    jiwoo = await sign_up()
    upload = await uploaded(jiwoo, outside)
    entry = await jiwoo.http.post("/api/v1/entries", json={"kind": "document", "body": "", "uploads": [upload["id"]]})
    assert entry.status_code == 201, entry.text
    refused = await jiwoo.http.delete(f"/api/v1/uploads/{upload['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "upload_attached")


async def test_a_picture_is_shown_once_there_is_one(
    sign_up: SignUp, outside: httpx.AsyncClient, storage: ObjectStore, rows: asyncpg.Connection
) -> None:
    jiwoo = await sign_up()
    upload = await uploaded(jiwoo, outside, PNG, "p.png", "image/png")
    address = f"/api/v1/uploads/{upload['id']}/thumbnail"
    early = await jiwoo.http.get(address)
    assert (early.status_code, early.json()["code"]) == (404, "no_thumbnail")
    key = thumbnail_key(original_key(UUID(jiwoo.space_id), UUID(upload["id"])))
    await storage.put(key, b"RIFF....WEBP", "image/webp")
    await rows.execute("UPDATE maru.uploads SET thumbnail_key = $2 WHERE id = $1", UUID(upload["id"]), key)
    shown = await jiwoo.http.get(address)
    assert (await outside.get(shown.headers["location"])).headers["content-type"] == "image/webp"
    assert (await jiwoo.http.get(f"/api/v1/uploads/{upload['id']}")).json()["thumbnail_url"] == address


async def test_a_store_that_is_away_loses_nothing(
    sign_up: SignUp, outside: httpx.AsyncClient, gateway_environment: dict[str, str], running_peer: S3Peer
) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo)
    await send(outside, ticket)
    if "R2_ENDPOINT" in gateway_environment:
        running_peer.failures[:] = [500] * 3
        away = await complete(jiwoo, ticket)
        assert (away.status_code, away.json()["code"]) == (503, "storage_unavailable")
    assert (await complete(jiwoo, ticket)).json()["status"] == "ready"


async def test_ready_tells_of_the_file_store(nobody: httpx.AsyncClient) -> None:
    assert '"files"' in (await nobody.get("/health/ready")).text
