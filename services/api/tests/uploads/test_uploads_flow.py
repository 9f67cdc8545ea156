"""Uploads that come in and go out, on one machine and in a bucket, and those that are not what they said."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from shared.storage import ObjectStore
from shared.storage.keys import original_key
from shared.testing.identity import SignUp
from shared.testing.uploads import PDF, PNG, TEXT, begin, complete, send, uploaded


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
    stored: Callable[[], list[str]],
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
    assert stored() == []


async def test_nothing_remains_of_another_hash_or_size(
    sign_up: SignUp,
    outside: httpx.AsyncClient,
    storage: ObjectStore,
    stored: Callable[[], list[str]],
) -> None:
    jiwoo = await sign_up()
    right, wrong = hashlib.sha256(TEXT).hexdigest(), hashlib.sha256(b"other").hexdigest()
    assert (await uploaded(jiwoo, outside, sha256=right.upper()))["sha256"] == right
    there = stored()
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
    assert stored() == there


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
