"""The signed addresses of files on one machine: the suite of the port over HTTP, and what a stored stranger's file may do."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from api.files import routes
from api.files.ranges import RangeNotSatisfiable, Span, wanted_span
from api.http.services import ServiceRegistry
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from shared.http.app import create_app
from shared.settings import HttpSettings
from shared.storage.folder import FolderStore
from shared.testing.storage_parts_suite import PartsSuite
from shared.testing.storage_suite import CONTENT, SignedAddressSuite, fresh_key, whole, with_parameter


class Clock:
    """The time of the store, which tests move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> FolderStore:
    return FolderStore(tmp_path / "files", "http://files.test", [b"a secret for tests"], clock=clock)


@pytest.fixture
def pass_time(clock: Clock) -> Callable[[float], None]:
    def move(seconds: float) -> None:
        clock.ahead += seconds

    return move


@pytest.fixture
async def http(store: FolderStore) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(
        "Files", settings=HttpSettings.from_env({"CORS_ORIGINS": "https://ui.example"}), checks={}, lifespan=_nothing
    )
    app.state.services = ServiceRegistry()
    app.state.services.add(store)
    app.include_router(routes.router)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport) as client:
        yield client


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncGenerator[None]:
    yield


def left_over(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class TestFolderAddresses(SignedAddressSuite):
    """The same promises as a bucket's."""


class TestFolderParts(PartsSuite):
    """The same promises as a bucket's, for files in parts."""


async def upload_address(store: FolderStore, key: str, size: int = len(CONTENT), **more: str) -> httpx.Request:
    request = await store.presign_put(key, content_type="text/plain", size=size, expires_s=60, **more)
    return httpx.Request("PUT", request.url, headers=dict(request.headers))


async def test_a_refusal_is_a_problem_document(store: FolderStore, http: httpx.AsyncClient) -> None:
    url = await store.presign_get(fresh_key())
    refused = await http.get(url + "0")
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.status_code, refused.json()["code"]) == (403, "link_refused")
    assert (await http.get(url)).json()["code"] == "file_not_found"


async def test_a_body_without_a_length_is_counted(store: FolderStore, http: httpx.AsyncClient, tmp_path: Path) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1_000):
            taken += 1
            yield b"x" * 1000

    key = fresh_key()
    request = await upload_address(store, key, 10_500)
    refused = await http.put(request.url, content=endless(), headers={"Content-Type": "text/plain"})
    assert (refused.status_code, refused.json()["code"]) == (422, "file_differs")
    assert taken < 20
    assert left_over(tmp_path) == []

    async def exactly() -> AsyncIterator[bytes]:
        yield CONTENT[:100]
        yield CONTENT[100:]

    request = await upload_address(store, key)
    assert (await http.put(request.url, content=exactly(), headers={"Content-Type": "text/plain"})).status_code == 200
    assert await whole(store, key) == CONTENT


async def test_nothing_remains_of_a_connection_that_breaks(
    store: FolderStore, http: httpx.AsyncClient, tmp_path: Path
) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield CONTENT[:-1]

    request = await upload_address(store, fresh_key())
    refused = await http.put(request.url, content=breaking(), headers={"Content-Type": "text/plain"})
    assert refused.status_code == 422
    assert left_over(tmp_path) == []


async def test_a_large_file_passes_the_limit_for_other_bodies(store: FolderStore, http: httpx.AsyncClient) -> None:
    size, key = 12 * 2**20, fresh_key()

    async def large() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"m" * 2**20

    digest = hashlib.sha256(b"m" * size).hexdigest()
    request = await upload_address(store, key, size, sha256=digest)
    headers = {"Content-Type": "text/plain", "Content-Length": str(size)}
    assert (await http.put(request.url, content=large(), headers=headers)).status_code == 200
    info = await store.head(key)
    assert info is not None
    assert (info.size, info.sha256) == (size, digest)


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/x",
        "a/%2e%2e/%2e%2e/x",
        "/etc/passwd",
        "a%00b",
        ".drafts/x",
        "A",
        "a~",
        "%EA%B0%80",
    ],
)
async def test_no_path_climbs_out(store: FolderStore, http: httpx.AsyncClient, tmp_path: Path, path: str) -> None:
    query = (await store.presign_get("a/b")).partition("?")[2]
    for method in ("GET", "PUT", "HEAD"):
        answer = await http.request(method, f"http://files.test/files/{path}?{query}")
        assert answer.status_code in {400, 403, 404}, answer.text
    assert left_over(tmp_path) == []


async def test_a_strangers_page_cannot_run(store: FolderStore, http: httpx.AsyncClient) -> None:
    key = fresh_key()
    await store.put(key, b"<script>alert(1)</script>", "text/html")
    answer = await http.get(await store.presign_get(key, filename="page.html"))
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    picture = fresh_key()
    await store.put(picture, b"RIFF", "image/webp")
    assert (await http.get(await store.presign_get(picture))).headers["content-disposition"] == "inline"


async def test_a_file_that_has_not_changed_is_not_sent_again(store: FolderStore, http: httpx.AsyncClient) -> None:
    key = fresh_key()
    await store.put(key, CONTENT, "text/plain")
    url = await store.presign_get(key)
    etag = (await http.get(url)).headers["etag"]
    again = await http.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    part = {"Range": "bytes=0-3"}
    assert (await http.get(url, headers={**part, "If-Range": etag})).status_code == 206
    assert (await http.get(url, headers={**part, "If-Range": '"other"'})).content == CONTENT


async def test_head_tells_without_sending(store: FolderStore, http: httpx.AsyncClient) -> None:
    key = fresh_key()
    await store.put(key, CONTENT, "text/plain")
    answer = await http.head(await store.presign_get(key))
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, str(len(CONTENT)), b"")


async def test_our_own_pages_may_upload_from_a_browser(store: FolderStore, http: httpx.AsyncClient) -> None:
    request = await upload_address(store, fresh_key())
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    ours = await http.options(request.url, headers={"Origin": "https://ui.example", **asked})
    theirs = await http.options(request.url, headers={"Origin": "https://elsewhere.example", **asked})
    assert ours.headers["access-control-allow-origin"] == "https://ui.example"
    assert "access-control-allow-origin" not in theirs.headers
    sent = await http.put(
        request.url, content=CONTENT, headers={"Content-Type": "text/plain", "Origin": "https://ui.example"}
    )
    assert sent.headers["access-control-allow-origin"] == "https://ui.example"


async def test_uploads_beside_each_other_do_not_mix(store: FolderStore, http: httpx.AsyncClient) -> None:
    keys = [fresh_key() for _ in range(8)]
    contents = [bytes([number]) * 300_000 for number in range(8)]
    requests = [await upload_address(store, key, 300_000) for key in keys]
    sent = (
        http.put(request.url, content=content, headers={"Content-Type": "text/plain"})
        for request, content in zip(requests, contents, strict=True)
    )
    assert {answer.status_code for answer in await asyncio.gather(*sent)} == {200}
    assert [await whole(store, key) for key in keys] == contents


async def test_a_size_cannot_be_talked_up(store: FolderStore, http: httpx.AsyncClient) -> None:
    key = fresh_key()
    request = await upload_address(store, key)
    larger = with_parameter(str(request.url), "size", str(len(CONTENT) + 1))
    answer = await http.put(larger, content=CONTENT + b"x", headers={"Content-Type": "text/plain"})
    assert answer.json()["code"] == "link_refused"
    assert await store.head(key) is None


@given(st.integers(1, 10_000), st.integers(0, 12_000), st.integers(0, 12_000))
def test_a_span_is_what_a_slice_would_be(size: int, first: int, last: int) -> None:
    data = bytes(size)
    wishes = [(f"bytes={first}-", data[first:]), (f"bytes=-{last}", data[-last:] if last else b"")]
    if first <= last:
        wishes.append((f"bytes={first}-{last}", data[first : last + 1]))
    for header, expected in wishes:
        if not expected:
            with pytest.raises(RangeNotSatisfiable):
                wanted_span(header, None, size, '"e"')
            continue
        span = wanted_span(header, None, size, '"e"')
        assert span.partial
        assert data[span.start : span.end] == expected


@given(st.text(max_size=30))
def test_a_range_that_cannot_be_read_means_the_whole(header: str) -> None:
    assert wanted_span(header, None, 10, '"e"') == Span(0, 10, partial=False)
    assert wanted_span("bytes=0-1,3-4", None, 10, '"e"') == Span(0, 10, partial=False)
