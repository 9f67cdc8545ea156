"""Large files in parts: sent in any order, taken up again after a break, checked like any other, and given up without a trace."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from api.uploads.service import UploadService
from fastapi import FastAPI
from shared.testing.identity import SignUp, Somebody
from shared.testing.s3_peer import S3Peer, StoredObject
from shared.testing.uploads import TEXT, begin, complete, send

PART = 5 * 2**20
LARGE = (TEXT * (1 + (PART + 1000) // len(TEXT)))[: PART + 1000]


@pytest.fixture
def gateway_environment(gateway_environment: dict[str, str]) -> dict[str, str]:
    sizes = {"MARU_MAX_DOCUMENT_MB": "20", "MARU_SPACE_QUOTA_MB": "20", "MARU_MULTIPART_MB": "5", "MARU_PART_MB": "5"}
    return gateway_environment | sizes


async def begin_parts(person: Somebody, data: bytes = LARGE, **more: Any) -> dict[str, Any]:
    return await begin(person, data, multipart=True, **more)


async def send_part(outside: httpx.AsyncClient, part: dict[str, Any], data: bytes = LARGE) -> httpx.Response:
    start = (part["number"] - 1) * PART
    return await outside.put(part["url"], content=data[start : start + part["size"]], headers=part["headers"])


async def parts_of(person: Somebody, ticket: dict[str, Any], **query: int) -> dict[str, Any]:
    answer = await person.http.get(f"/api/v1/uploads/{ticket['id']}/parts", params=query)
    assert answer.status_code == 200, answer.text
    parts: dict[str, Any] = answer.json()
    return parts


async def test_a_large_file_comes_in_parts(
    sign_up: SignUp, outside: httpx.AsyncClient, stored: Callable[[], list[str]]
) -> None:
    jiwoo = await sign_up()
    digest = hashlib.sha256(LARGE).hexdigest()
    ticket = await begin_parts(jiwoo, sha256=digest)
    assert (ticket["part_size"], ticket["part_count"]) == (PART, 2)
    assert [(part["number"], part["size"]) for part in ticket["parts"]] == [(1, PART), (2, 1000)]
    answers = await asyncio.gather(*(send_part(outside, part) for part in reversed(ticket["parts"])))
    assert {answer.status_code for answer in answers} == {200}
    done = await asyncio.gather(*(complete(jiwoo, ticket) for _ in range(3)))
    assert {answer.status_code for answer in done} == {200}, [answer.text for answer in done]
    assert {answer.json()["sha256"] for answer in done} == {digest}
    location = (await jiwoo.http.get(done[0].json()["content_url"])).headers["location"]
    assert (await outside.get(location)).content == LARGE
    assert len(stored()) == 1
    ready = await jiwoo.http.get(f"/api/v1/uploads/{ticket['id']}/parts")
    assert (ready.status_code, ready.json()["code"]) == (409, "upload_ready")
    assert (await send_part(outside, ticket["parts"][0])).status_code == 404


async def test_an_upload_is_taken_up_again_where_it_broke_off(sign_up: SignUp, outside: httpx.AsyncClient) -> None:
    jiwoo = await sign_up()
    ticket = await begin_parts(jiwoo)
    await send_part(outside, ticket["parts"][1])
    left = await parts_of(jiwoo, ticket)
    assert (left["received"], [part["number"] for part in left["parts"]]) == ([2], [1])
    assert (await parts_of(jiwoo, ticket, after=1))["parts"] == []
    early = await complete(jiwoo, ticket)
    assert (early.status_code, early.json()["code"]) == (409, "parts_missing")
    assert "1 of 2" in early.json()["detail"]
    assert (await send_part(outside, left["parts"][0])).status_code == 200
    assert await parts_of(jiwoo, ticket) == {**left, "received": [1, 2], "parts": []}
    assert (await complete(jiwoo, ticket)).json()["status"] == "ready"


@pytest.mark.parametrize(
    ("kind", "sha256", "code"),
    [("application/pdf", None, "upload_type_mismatch"), ("text/plain", "0" * 64, "upload_hash_mismatch")],
)
async def test_nothing_remains_of_parts_that_are_another_file(
    sign_up: SignUp,
    outside: httpx.AsyncClient,
    stored: Callable[[], list[str]],
    kind: str,
    sha256: str | None,
    code: str,
) -> None:
    jiwoo = await sign_up()
    ticket = await begin_parts(jiwoo, kind=kind, sha256=sha256)
    for part in ticket["parts"]:
        assert (await send_part(outside, part)).status_code == 200
    refused = await complete(jiwoo, ticket)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await jiwoo.http.get(f"/api/v1/uploads/{ticket['id']}")).status_code == 404
    assert stored() == []


async def test_a_part_takes_only_what_it_was_given_for(sign_up: SignUp, outside: httpx.AsyncClient) -> None:
    jiwoo = await sign_up()
    first, last = (await begin_parts(jiwoo))["parts"]
    assert (await outside.put(first["url"], content=LARGE[: last["size"]])).is_client_error
    assert (await outside.put(last["url"], content=LARGE[:PART])).is_client_error
    assert (await outside.put(last["url"].replace("incoming/spaces", "spaces"), content=LARGE[:1000])).is_client_error
    assert (await outside.get(last["url"])).is_client_error


async def test_what_nobody_completes_is_forgotten_with_its_parts(
    sign_up: SignUp,
    outside: httpx.AsyncClient,
    gateway: FastAPI,
    rows: asyncpg.Connection,
    stored: Callable[[], list[str]],
) -> None:
    jiwoo = await sign_up()
    late, taken_back = await begin_parts(jiwoo), await begin_parts(jiwoo)
    for ticket in (late, taken_back):
        await send_part(outside, ticket["parts"][0])
    assert (await jiwoo.http.delete(f"/api/v1/uploads/{taken_back['id']}")).status_code == 204
    await rows.execute("UPDATE maru.uploads SET expires_at = now() - interval '1 second'")
    service: UploadService = gateway.state.services.get(UploadService)
    assert await service.forget_abandoned() == 1
    assert stored() == []
    assert (await send_part(outside, late["parts"][1])).status_code == 404


async def test_only_a_large_file_of_whoever_asks_comes_in_parts(
    sign_up: SignUp, outside: httpx.AsyncClient, stored: Callable[[], list[str]]
) -> None:
    jiwoo = await sign_up()
    small, plain = await begin_parts(jiwoo, TEXT), await begin(jiwoo, LARGE)
    assert small["parts"] == plain["parts"] == []
    assert small["part_size"] is plain["part_count"] is None
    for ticket in (small, plain):
        refused = await jiwoo.http.get(f"/api/v1/uploads/{ticket['id']}/parts")
        assert (refused.status_code, refused.json()["code"]) == (409, "upload_in_one_piece")
    in_one_piece = await begin_parts(jiwoo)
    await send_part(outside, in_one_piece["parts"][0])
    assert (await send(outside, in_one_piece, LARGE)).status_code == 200
    assert (await complete(jiwoo, in_one_piece)).json()["size"] == len(LARGE)
    assert len(stored()) == 1


async def test_the_same_request_is_the_same_upload_in_parts(
    sign_up: SignUp, outside: httpx.AsyncClient, rows: asyncpg.Connection
) -> None:
    jiwoo = await sign_up()
    wanted = {"filename": "a.txt", "content_type": "text/plain", "size": len(LARGE), "multipart": True}
    key = {"Idempotency-Key": "one"}
    answers = await asyncio.gather(*(jiwoo.http.post("/api/v1/uploads", json=wanted, headers=key) for _ in range(3)))
    tickets = [answer.json() for answer in answers]
    assert len({ticket["id"] for ticket in tickets}) == 1
    assert await rows.fetchval("SELECT count(*) FROM maru.uploads") == 1
    # Parts sent to the addresses of different answers make one file.
    for ticket, number in zip(tickets, (0, 1, 1), strict=True):
        assert (await send_part(outside, ticket["parts"][number])).status_code == 200
    assert (await complete(jiwoo, tickets[0])).json()["status"] == "ready"


async def test_the_file_that_was_looked_at_is_the_one_that_is_kept(
    sign_up: SignUp, outside: httpx.AsyncClient, rows: asyncpg.Connection, stored: Callable[[], list[str]]
) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo)
    assert (await send(outside, ticket)).status_code == 200
    # Another call is completing a version that was here before.
    await rows.execute("UPDATE maru.uploads SET arrived_etag = $2 WHERE id = $1", UUID(ticket["id"]), "0" * 32)
    refused = await complete(jiwoo, ticket)
    assert (refused.status_code, refused.json()["code"]) == (422, "upload_replaced")
    assert stored() == []


async def test_a_file_replaced_while_it_is_taken_in_stays_out(
    sign_up: SignUp, outside: httpx.AsyncClient, gateway_environment: dict[str, str], running_peer: S3Peer
) -> None:
    jiwoo = await sign_up()
    ticket = await begin(jiwoo)
    await send(outside, ticket)
    if "R2_ENDPOINT" in gateway_environment:
        [key] = running_peer.objects

        def replace() -> None:
            running_peer.objects[key] = StoredObject(TEXT[::-1], "text/plain")

        running_peer.before_copy = replace
        assert (await complete(jiwoo, ticket)).json()["code"] == "upload_replaced"
        assert running_peer.objects == {}
    else:
        assert (await complete(jiwoo, ticket)).json()["sha256"] == hashlib.sha256(TEXT).hexdigest()
