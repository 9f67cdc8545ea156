"""Uploads from their beginning to their end, on one machine and in a bucket."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from api.uploads.service import UploadService
from fastapi import FastAPI
from shared.settings import StorageSettings
from shared.storage import ObjectStore, open_storage
from shared.storage.keys import original_key, thumbnail_key
from shared.testing.identity import SignUp, Somebody
from shared.testing.s3_peer import S3Peer, run_s3_peer

TEXT = "마루에 앉아 쓴 글.\n".encode() * 40
PNG = b"\x89PNG\r\n\x1a\n" + bytes(200)
PDF = b"%PDF-1.7\n" + bytes(200)
ENDINGS = ("/complete", "", "/content", "/thumbnail", "/display")


@pytest.fixture(scope="module")
def running_peer() -> Iterator[S3Peer]:
    with run_s3_peer() as peer:
        yield peer


@pytest.fixture(params=["folder", "bucket", "bucket without hashes"])
def gateway_environment(
    request: pytest.FixtureRequest, gateway_environment: dict[str, str], running_peer: S3Peer
) -> dict[str, str]:
    limits = {"MARU_MAX_DOCUMENT_MB": "2", "MARU_MAX_AUDIO_MB": "3", "MARU_SPACE_QUOTA_MB": "5"}
    if request.param == "folder":
        return gateway_environment | limits
    running_peer.objects.clear()
    running_peer.clock_ahead_s = 0
    running_peer.keeps_checksums = request.param == "bucket"
    bucket = {"R2_ENDPOINT": running_peer.endpoint, "R2_BUCKET": running_peer.bucket}
    keys = {"R2_ACCESS_KEY": running_peer.access_key, "R2_SECRET_KEY": running_peer.secret_key}
    return gateway_environment | limits | bucket | keys


@pytest.fixture
async def storage(gateway_environment: dict[str, str]) -> AsyncGenerator[ObjectStore]:
    store = open_storage(StorageSettings.from_env(gateway_environment))
    yield store
    await store.close()


@pytest.fixture
async def outside(gateway: FastAPI, gateway_environment: dict[str, str]) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody with nothing but an address: over the wire to a bucket, else to the gateway itself."""
    transport = (
        None if "R2_ENDPOINT" in gateway_environment else httpx.ASGITransport(gateway, raise_app_exceptions=False)
    )
    async with httpx.AsyncClient(transport=transport) as client:
        yield client


@pytest.fixture
async def rows(database_url: str) -> AsyncGenerator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


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


def everything(gateway_environment: dict[str, str], peer: S3Peer) -> list[str]:
    """Every object there is, wherever it lies."""
    if "R2_ENDPOINT" in gateway_environment:
        return list(peer.objects)
    folder = Path(gateway_environment["MARU_HOME"]) / "files"
    return [os.fspath(path) for path in folder.rglob("*") if path.is_file()]


async def test_a_file_goes_in_and_comes_out(sign_up: SignUp, outside: httpx.AsyncClient, storage: ObjectStore) -> None:
    jiwoo = await sign_up()
    upload = await uploaded(jiwoo, outside, name="여행 일기.txt")
    assert (upload["status"], upload["sha256"]) == ("ready", hashlib.sha256(TEXT).hexdigest())
    assert (upload["filename"], upload["size"], upload["space_id"]) == ("여행 일기.txt", len(TEXT), jiwoo.space_id)
    answer = await jiwoo.http.get(upload["content_url"], follow_redirects=False)
    assert answer.status_code == 302
    read = await outside.get(answer.headers["location"])
    assert read.content == TEXT
    assert read.headers["content-type"] == "text/plain"
    assert "%EC%97%AC%ED%96%89%20%EC%9D%BC%EA%B8%B0.txt" in read.headers["content-disposition"]
    assert (await jiwoo.http.get(f"/api/v1/uploads/{upload['id']}")).json() == upload


async def test_completing_again_changes_nothing(
    sign_up: SignUp, outside: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo)
    await send(outside, ticket)
    answers = await asyncio.gather(*(complete(jiwoo, ticket) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in [*answers, await complete(jiwoo, ticket)]}) == 1
    query = "SELECT count(*) FROM maru.outbox WHERE topic_or_queue = 'upload.completed' AND key = $1"
    assert await rows.fetchval(query, ticket["id"]) <= 1


async def test_what_is_not_there_yet_can_still_come(sign_up: SignUp, outside: httpx.AsyncClient) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo)
    early = await complete(jiwoo, ticket)
    assert (early.status_code, early.json()["code"]) == (409, "upload_not_received")
    pending = await jiwoo.http.get(f"/api/v1/uploads/{ticket['id']}/content")
    assert (pending.status_code, pending.json()["code"]) == (409, "upload_not_ready")
    await send(outside, ticket)
    assert (await complete(jiwoo, ticket)).status_code == 200


@pytest.mark.parametrize(
    ("data", "name", "kind", "code"),
    [
        (PNG, "notes.txt", "text/plain", "upload_type_mismatch"),
        (TEXT, "photo.jpg", "image/jpeg", "upload_type_mismatch"),
        (b"\x7fELF" + bytes(99), "x.pdf", "application/pdf", "upload_type_mismatch"),
        (
            PDF,
            "x.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "upload_type_mismatch",
        ),
        (TEXT, "x.mp3", "audio/mpeg", "upload_type_mismatch"),
    ],
)
async def test_nothing_remains_of_another_type(
    sign_up: SignUp,
    outside: httpx.AsyncClient,
    gateway_environment: dict[str, str],
    running_peer: S3Peer,
    data: bytes,
    name: str,
    kind: str,
    code: str,
) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo, data, name, kind)
    assert (await send(outside, ticket, data)).status_code == 200
    refused = await complete(jiwoo, ticket)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await complete(jiwoo, ticket)).status_code == 404
    assert (await jiwoo.http.get(f"/api/v1/uploads/{ticket['id']}")).status_code == 404
    assert everything(gateway_environment, running_peer) == []


async def test_nothing_remains_of_another_hash_or_size(
    sign_up: SignUp,
    outside: httpx.AsyncClient,
    storage: ObjectStore,
    gateway_environment: dict[str, str],
    running_peer: S3Peer,
) -> None:
    jiwoo = await sign_up()
    right, wrong = hashlib.sha256(TEXT).hexdigest(), hashlib.sha256(b"other").hexdigest()
    assert (await uploaded(jiwoo, outside, sha256=right.upper()))["sha256"] == right
    there = everything(gateway_environment, running_peer)
    ticket = await begin(jiwoo, sha256=wrong)
    assert (await send(outside, ticket)).is_client_error
    # As a store would that checks nothing, and with another length.
    for data, code in ((TEXT, "upload_hash_mismatch"), (TEXT + b"!", "upload_size_mismatch")):
        ticket = await begin(jiwoo, sha256=wrong)
        key = f"incoming/{original_key(UUID(jiwoo.space_id), UUID(ticket['id']))}"
        await storage.put(key, data, "text/plain")
        refused = await complete(jiwoo, ticket)
        assert (refused.status_code, refused.json()["code"]) == (422, code)
        assert (await complete(jiwoo, ticket)).status_code == 404
    assert everything(gateway_environment, running_peer) == there


async def test_an_address_takes_only_what_was_announced(sign_up: SignUp, outside: httpx.AsyncClient) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo)
    assert (await send(outside, ticket, TEXT + b"x")).is_client_error
    assert (await send(outside, ticket, TEXT[:-1])).is_client_error
    other = {**ticket, "headers": {"Content-Type": "text/html"}}
    assert (await send(outside, other)).status_code == 403
    stolen = {**ticket, "url": ticket["url"].replace(ticket["id"], str(uuid4()))}
    assert (await send(outside, stolen)).status_code == 403
    elsewhere = {**ticket, "url": ticket["url"].replace("incoming/spaces/", "spaces/")}
    assert (await send(outside, elsewhere)).status_code == 403
    assert (await complete(jiwoo, ticket)).json()["code"] == "upload_not_received"


async def test_what_was_completed_cannot_be_changed_through_its_address(
    sign_up: SignUp, outside: httpx.AsyncClient
) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo)
    await send(outside, ticket)
    upload = (await complete(jiwoo, ticket)).json()
    await send(outside, ticket, TEXT[::-1])
    assert (await complete(jiwoo, ticket)).json() == upload
    location = (await jiwoo.http.get(upload["content_url"])).headers["location"]
    assert (await outside.get(location)).content == TEXT


async def test_another_tenant_finds_nothing(
    sign_up: SignUp, outside: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    jiwoo, minji = await sign_up("jiwoo"), await sign_up("minji")
    ticket = await begin(jiwoo)
    await send(outside, ticket)
    address = f"/api/v1/uploads/{ticket['id']}"
    for ready in (False, True):
        for ending in ENDINGS:
            method = "POST" if ending == "/complete" else "GET"
            answer = await minji.http.request(method, address + ending)
            assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found"), ending
        assert (await minji.http.delete(address)).status_code == 404
        if not ready:
            assert (await complete(jiwoo, ticket)).status_code == 200
    begun = {"filename": "x.txt", "content_type": "text/plain", "size": 1, "space_id": jiwoo.space_id}
    assert (await minji.http.post("/api/v1/uploads", json=begun)).json()["code"] == "space_not_found"
    assert await rows.fetchval("SELECT count(*) FROM maru.uploads WHERE owner_id = $1", UUID(minji.id)) == 0


@pytest.mark.parametrize("gateway_environment", ["folder"], indirect=True)
async def test_nobody_reaches_it_without_a_token(nobody: httpx.AsyncClient) -> None:
    for ending in ENDINGS:
        method = "POST" if ending == "/complete" else "GET"
        assert (await nobody.request(method, f"/api/v1/uploads/{uuid4()}{ending}")).status_code == 401
    assert (await nobody.post("/api/v1/uploads", json={})).status_code == 401


@pytest.mark.parametrize("gateway_environment", ["folder"], indirect=True)
async def test_a_viewer_reads_and_writes_nothing(
    sign_up: SignUp, outside: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    jiwoo, minji = await sign_up("jiwoo"), await sign_up("minji")
    space = (await jiwoo.http.post("/api/v1/spaces", json={"name": "우리 집"})).json()["id"]
    upload = await uploaded(jiwoo, outside, space_id=space)
    pending = await begin(jiwoo, space_id=space)
    join = "INSERT INTO maru.space_members (space_id, user_id, role) VALUES ($1, $2, 'viewer')"
    await rows.execute(join, UUID(space), UUID(minji.id))
    assert (await minji.http.get(upload["content_url"])).status_code == 302
    begun = {"filename": "x.txt", "content_type": "text/plain", "size": 1, "space_id": space}
    for answer in (
        await minji.http.post("/api/v1/uploads", json=begun),
        await complete(minji, pending),
        await minji.http.delete(f"/api/v1/uploads/{upload['id']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "space_read_only")


@pytest.mark.parametrize("gateway_environment", ["folder"], indirect=True)
@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"filename": "x.exe", "content_type": "application/x-msdownload"}, 422, "upload_type_unsupported"),
        ({"filename": "x.svg", "content_type": "image/svg+xml"}, 422, "upload_type_unsupported"),
        ({"filename": "noname", "content_type": ""}, 422, "upload_type_unsupported"),
        ({"filename": "x.zip", "content_type": "application/octet-stream"}, 422, "upload_type_unsupported"),
        ({"size": 3 * 2**20}, 413, "upload_too_large"),
        ({"filename": "x.mp3", "content_type": "audio/mpeg", "size": 4 * 2**20}, 413, "upload_too_large"),
        ({"size": 0}, 422, "invalid"),
        ({"size": -1}, 422, "invalid"),
        ({"size": 2**60}, 422, "invalid"),
        ({"size": "many"}, 422, "invalid"),
        ({"filename": ""}, 422, "invalid"),
        ({"filename": "a\u0000b"}, 422, "invalid"),
        ({"filename": "x" * 300}, 422, "invalid"),
        ({"content_type": "text/plain\r\nX-Evil: 1"}, 422, "invalid"),
        ({"content_type": "텍스트"}, 422, "invalid"),
        ({"sha256": "abc"}, 422, "invalid"),
        ({"space_id": "mine"}, 422, "invalid"),
        ({"space_id": str(uuid4())}, 404, "space_not_found"),
    ],
)
async def test_a_wrong_wish_is_refused_and_leaves_nothing(
    sign_up: SignUp, rows: asyncpg.Connection, wanted: dict[str, Any], status: int, code: str
) -> None:
    jiwoo = await sign_up()
    answer = await jiwoo.http.post(
        "/api/v1/uploads", json={"filename": "a.txt", "content_type": "text/plain", "size": 5, **wanted}
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await rows.fetchval("SELECT count(*) FROM maru.uploads") == 0


@pytest.mark.parametrize(
    ("name", "given", "known"),
    [
        ("notes.md", "", "text/markdown"),
        ("notes.MD", "application/octet-stream", "text/markdown"),
        ("memo.txt", "text/plain; charset=utf-8", "text/plain"),
        ("page.xhtml", "application/xhtml+xml", "text/html"),
    ],
)
async def test_a_type_is_known_by_one_name(
    sign_up: SignUp, outside: httpx.AsyncClient, name: str, given: str, known: str
) -> None:
    jiwoo = await sign_up()
    upload = await uploaded(jiwoo, outside, name=name, kind=given)
    assert upload["content_type"] == known
    location = (await jiwoo.http.get(upload["content_url"])).headers["location"]
    assert (await outside.get(location)).headers["content-type"].partition(";")[0] == known


@pytest.mark.parametrize("gateway_environment", ["folder"], indirect=True)
async def test_a_path_in_a_file_name_is_only_a_name(sign_up: SignUp) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo, name='../../etc/"pass\u202ewd.txt')
    upload = (await jiwoo.http.get(f"/api/v1/uploads/{ticket['id']}")).json()
    assert upload["filename"] == "_.._etc__pass_wd.txt"


@pytest.mark.parametrize("gateway_environment", ["folder"], indirect=True)
async def test_a_space_has_so_much_room(sign_up: SignUp) -> None:
    jiwoo = await sign_up()
    wanted = {"filename": "a.txt", "content_type": "text/plain", "size": 2 * 2**20}
    answers = await asyncio.gather(*(jiwoo.http.post("/api/v1/uploads", json=wanted) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 413, 413, 413]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 413} == {"storage_quota_exceeded"}


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
    gateway_environment: dict[str, str],
    running_peer: S3Peer,
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
    assert len(everything(gateway_environment, running_peer)) == 2


async def test_an_upload_can_be_taken_back(
    sign_up: SignUp, outside: httpx.AsyncClient, gateway_environment: dict[str, str], running_peer: S3Peer
) -> None:
    jiwoo = await sign_up()
    upload = await uploaded(jiwoo, outside)
    assert (await jiwoo.http.delete(f"/api/v1/uploads/{upload['id']}")).status_code == 204
    assert (await jiwoo.http.delete(f"/api/v1/uploads/{upload['id']}")).status_code == 404
    assert everything(gateway_environment, running_peer) == []


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
