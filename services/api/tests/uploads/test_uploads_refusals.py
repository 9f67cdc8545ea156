"""Who may not, and what is no upload."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from shared.testing.identity import SignUp
from shared.testing.uploads import begin, complete, send, uploaded

ENDINGS = ("/complete", "", "/content", "/thumbnail", "/display")


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
