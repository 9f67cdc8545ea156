"""What every adapter of the storage port must do: subclass these in a test file and give the fixtures they name."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

import httpx
import pytest

from shared.storage import InvalidObjectKey, ObjectMissing, ObjectStore, ObjectTooLarge, SignedRequest

CONTENT = "마루에 앉아 파일을 보관한다. ".encode() * 50
ESCAPES = [
    "../secret",
    "a/../../b",
    "/etc/passwd",
    "a//b",
    "a/",
    "",
    ".drafts/x",
    "a/./b",
    "A/b",
    "a b",
    "a\x00b",
    "a~",
    "한글",
    "x" * 600,
]


def fresh_key() -> str:
    """A key that no other test uses."""
    return f"spaces/{uuid4()}/{uuid4()}/original"


async def whole(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    """The object, or a part, in one piece."""
    return b"".join([piece async for piece in store.read(key, start, end)])


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A stream of these."""
    for part in parts:
        yield part


def with_parameter(url: str, name: str, value: str) -> str:
    """The address with one query parameter set to something else."""
    parts = urlsplit(url)
    parameters = {**dict(parse_qsl(parts.query)), name: value}
    return urlunsplit(parts._replace(query=urlencode(parameters)))


class ObjectStoreSuite:
    """The port without its signed addresses. Fixture: `store`."""

    async def test_what_was_put_can_be_read(self, store: ObjectStore) -> None:
        key = fresh_key()
        put = await store.put(key, CONTENT, "text/plain")
        assert await store.head(key) == await store.head(key)
        info = await store.head(key)
        assert info is not None
        assert (info.size, info.content_type, info.etag) == (len(CONTENT), "text/plain", put.etag)
        assert put.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert await whole(store, key) == CONTENT

    async def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        key = fresh_key()
        await store.put(key, b"", "text/plain")
        info = await store.head(key)
        assert info is not None
        assert info.size == 0
        assert await whole(store, key) == b""

    async def test_a_stream_is_stored_like_bytes(self, store: ObjectStore) -> None:
        key = fresh_key()
        parts = [bytes([n]) * 700_000 for n in range(5)]
        await store.put(key, pieces(*parts, b""), "application/pdf")
        assert await whole(store, key) == b"".join(parts)

    async def test_putting_again_replaces_all_of_it(self, store: ObjectStore) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "text/plain")
        await store.put(key, b"short", "text/markdown")
        info = await store.head(key)
        assert info is not None
        assert (info.size, info.content_type) == (5, "text/markdown")
        assert await whole(store, key) == b"short"

    async def test_a_stream_that_breaks_leaves_what_was_there(self, store: ObjectStore) -> None:
        key = fresh_key()
        await store.put(key, b"before", "text/plain")

        async def breaking() -> AsyncIterator[bytes]:
            yield b"x" * 3_000_000
            raise ConnectionError

        with pytest.raises(ConnectionError):
            await store.put(key, breaking(), "text/plain")
        assert await whole(store, key) == b"before"

    @pytest.mark.parametrize(
        ("start", "end"), [(0, 10), (5, 6), (5, 5), (5, 2), (10, None), (0, 10**9), (10**9, None), (2010, 10**9)]
    )
    async def test_a_part_is_read_as_a_slice(self, store: ObjectStore, start: int, end: int | None) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "text/plain")
        assert await whole(store, key, start, end) == CONTENT[start:end]

    async def test_what_is_missing_is_missing_everywhere(self, store: ObjectStore, tmp_path: Path) -> None:
        key = fresh_key()
        assert await store.head(key) is None
        await store.delete([key, fresh_key()])
        assert await store.delete_prefix("spaces/nobody/") == 0
        with pytest.raises(ObjectMissing):
            await whole(store, key)
        with pytest.raises(ObjectMissing):
            await store.download(key, tmp_path / "x", 10)
        with pytest.raises(ObjectMissing):
            await store.copy(key, fresh_key())
        with pytest.raises(ObjectMissing):
            await store.promote(key, fresh_key())

    async def test_download_writes_the_object_and_knows_its_hash(self, store: ObjectStore, tmp_path: Path) -> None:
        key, target = fresh_key(), tmp_path / "file"
        await store.put(key, CONTENT, "text/plain")
        info = await store.download(key, target, len(CONTENT))
        assert target.read_bytes() == CONTENT
        assert (info.size, info.sha256) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())

    async def test_download_refuses_what_is_too_large_before_writing(self, store: ObjectStore, tmp_path: Path) -> None:
        key, target = fresh_key(), tmp_path / "file"
        await store.put(key, CONTENT, "text/plain")
        with pytest.raises(ObjectTooLarge):
            await store.download(key, target, len(CONTENT) - 1)
        assert not target.exists()

    async def test_a_copy_lives_on_alone(self, store: ObjectStore) -> None:
        source, target = fresh_key(), fresh_key()
        await store.put(source, CONTENT, "text/plain")
        await store.copy(source, target)
        await store.copy(source, target)
        await store.put(source, b"changed", "text/markdown")
        await store.delete([source])
        info = await store.head(target)
        assert info is not None
        assert info.content_type == "text/plain"
        assert await whole(store, target) == CONTENT

    async def test_a_copy_may_get_another_type(self, store: ObjectStore) -> None:
        source, target = fresh_key(), fresh_key()
        await store.put(source, CONTENT, "application/octet-stream")
        await store.copy(source, target, content_type="text/markdown")
        before, after = await store.head(source), await store.head(target)
        assert before is not None
        assert after is not None
        assert (before.content_type, after.content_type) == ("application/octet-stream", "text/markdown")
        assert await whole(store, target) == CONTENT

    async def test_promotion_moves_and_may_be_repeated(self, store: ObjectStore) -> None:
        source, target = fresh_key(), fresh_key()
        await store.put(source, CONTENT, "text/plain")
        await store.promote(source, target)
        await store.promote(source, target)
        assert await store.head(source) is None
        assert await whole(store, target) == CONTENT

    async def test_a_prefix_is_a_folder_and_not_the_start_of_a_name(self, store: ObjectStore) -> None:
        name = str(uuid4())
        inside = [f"{name}/a", f"{name}/b/c", f"{name}/b/d"]
        outside = [name, f"{name}0/a", f"{name}-x"]
        for key in inside + outside:
            await store.put(key, key.encode(), "text/plain")
        assert await store.delete_prefix(f"{name}/") == 3
        assert [await store.head(key) for key in inside] == [None] * 3
        assert [await whole(store, key) for key in outside] == [key.encode() for key in outside]
        with pytest.raises(InvalidObjectKey):
            await store.delete_prefix(name)

    async def test_an_object_may_have_the_name_of_a_folder(self, store: ObjectStore) -> None:
        name = str(uuid4())
        await store.put(f"{name}/inner", b"inner", "text/plain")
        await store.put(name, b"outer", "text/plain")
        await store.delete([name])
        assert await whole(store, f"{name}/inner") == b"inner"

    async def test_many_are_deleted_at_once(self, store: ObjectStore) -> None:
        keys = [fresh_key() for _ in range(12)]
        for key in keys:
            await store.put(key, b"x", "text/plain")
        await store.delete(keys)
        assert [await store.head(key) for key in keys] == [None] * 12
        await store.delete([])

    async def test_writers_beside_each_other_leave_one_whole_object(self, store: ObjectStore) -> None:
        key = fresh_key()
        contents = [bytes([n]) * 100_000 for n in range(8)]
        await asyncio.gather(*(store.put(key, content, "text/plain") for content in contents))
        assert await whole(store, key) in contents

    async def test_writing_and_clearing_beside_each_other_breaks_neither(self, store: ObjectStore) -> None:
        folder = f"spaces/{uuid4()}"

        async def write_and_delete(n: int) -> None:
            for _ in range(5):
                await store.put(f"{folder}/{n}/x", b"x", "text/plain")
                await store.delete([f"{folder}/{n}/x"])

        await asyncio.gather(*(write_and_delete(n % 2) for n in range(6)))
        assert await store.delete_prefix(f"{folder}/") == 0

    @pytest.mark.parametrize("key", ESCAPES)
    async def test_a_name_that_climbs_out_is_refused(self, store: ObjectStore, key: str) -> None:
        with pytest.raises(InvalidObjectKey):
            await store.put(key, b"x", "text/plain")
        with pytest.raises(InvalidObjectKey):
            await store.head(key)
        with pytest.raises(InvalidObjectKey):
            await whole(store, key)
        with pytest.raises(InvalidObjectKey):
            await store.delete([key])
        with pytest.raises(InvalidObjectKey):
            await store.presign_get(key)
        with pytest.raises(InvalidObjectKey):
            await store.presign_put(key, content_type="text/plain", size=1, expires_s=60)

    async def test_ready_answers(self, store: ObjectStore) -> None:
        await store.ready()


class SignedAddressSuite:
    """What strangers can do with the signed addresses, over HTTP. Fixtures: `store`, `http`, `pass_time` (moves the server's clock)."""

    async def send(
        self, http: httpx.AsyncClient, request: SignedRequest, body: bytes, **headers: str
    ) -> httpx.Response:
        """The upload as a client makes it; a header given as an empty string is left out."""
        wanted = {**request.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return await http.put(request.url, content=body, headers={k: v for k, v in wanted.items() if v})

    async def grant(self, store: ObjectStore, key: str, **changes: object) -> SignedRequest:
        """An upload of CONTENT."""
        wanted = {"content_type": "text/plain", "size": len(CONTENT), "expires_s": 60, **changes}
        return await store.presign_put(key, **wanted)  # type: ignore[arg-type] # mixed keyword arguments

    async def test_the_upload_that_was_allowed_is_stored(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        request = await self.grant(store, key)
        assert request.method == "PUT"
        assert (await self.send(http, request, CONTENT)).status_code == 200
        info = await store.head(key)
        assert info is not None
        assert (info.size, info.content_type) == (len(CONTENT), "text/plain")
        assert await whole(store, key) == CONTENT

    async def test_an_upload_bound_to_its_hash(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        digest = hashlib.sha256(CONTENT).hexdigest()
        request = await self.grant(store, key, sha256=digest)
        other = CONTENT[:-1] + b"!"
        assert (await self.send(http, request, other)).is_client_error
        assert await store.head(key) is None
        assert (await self.send(http, request, CONTENT)).status_code == 200
        info = await store.head(key)
        assert info is not None
        assert info.sha256 == digest

    @pytest.mark.parametrize("body", [CONTENT + b"x", CONTENT[:-1], b"", CONTENT * 50])
    async def test_another_length_is_refused(self, store: ObjectStore, http: httpx.AsyncClient, body: bytes) -> None:
        key = fresh_key()
        assert (await self.send(http, await self.grant(store, key), body)).is_client_error
        assert await store.head(key) is None

    @pytest.mark.parametrize("content_type", ["text/html", "", "text/plain; charset=utf-8"])
    async def test_another_type_is_refused(
        self, store: ObjectStore, http: httpx.AsyncClient, content_type: str
    ) -> None:
        key = fresh_key()
        answer = await self.send(http, await self.grant(store, key), CONTENT, Content_Type=content_type)
        assert answer.status_code == 403
        assert await store.head(key) is None

    async def test_another_key_is_refused(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        mine, other = fresh_key(), fresh_key()
        request = await self.grant(store, mine)
        stolen = SignedRequest(request.url.replace(mine, other), "PUT", request.headers, request.expires_at)
        assert (await self.send(http, stolen, CONTENT)).status_code == 403
        assert await store.head(other) is None

    async def test_an_upload_address_reads_nothing(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "text/plain")
        request = await self.grant(store, key)
        assert (await http.get(request.url)).status_code == 403
        assert (await http.delete(request.url)).is_client_error
        assert await whole(store, key) == CONTENT

    async def test_a_reading_address_writes_nothing(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "text/plain")
        url = await store.presign_get(key)
        answer = await http.put(url, content=b"x", headers={"Content-Type": "text/plain"})
        assert answer.status_code == 403
        assert await whole(store, key) == CONTENT

    async def test_an_expired_address_is_refused(
        self, store: ObjectStore, http: httpx.AsyncClient, pass_time: Callable[[float], None]
    ) -> None:
        key, unused = fresh_key(), fresh_key()
        await store.put(key, CONTENT, "text/plain")
        reading, writing = await store.presign_get(key, expires_s=60), await self.grant(store, unused)
        assert (await http.get(reading)).status_code == 200
        pass_time(61)
        assert (await http.get(reading)).status_code == 403
        assert (await self.send(http, writing, CONTENT)).status_code == 403
        assert await store.head(unused) is None

    async def test_every_parameter_is_signed(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "text/plain")
        url = await store.presign_get(key, filename="보고서.txt", content_type="text/plain")
        assert (await http.get(url)).status_code == 200
        for name, value in parse_qsl(urlsplit(url).query):
            changed = with_parameter(url, name, value + "1" if value.isdigit() else value[:-1] + "~")
            assert (await http.get(changed)).is_client_error, name
        assert (await http.get(url + "&extra=1")).is_client_error
        assert (await http.get(url.partition("?")[0])).is_client_error

    async def test_a_download_is_named_and_typed_as_asked(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "application/octet-stream")
        answer = await http.get(
            await store.presign_get(key, filename='가족 "일기".pdf', content_type="application/pdf")
        )
        assert answer.content == CONTENT
        assert answer.headers["content-type"] == "application/pdf"
        disposition = answer.headers["content-disposition"]
        assert disposition.startswith("attachment;")
        assert "filename*=UTF-8''%EA%B0%80%EC%A1%B1%20_%EC%9D%BC%EA%B8%B0_.pdf" in disposition

    @pytest.mark.parametrize(
        ("header", "status", "part"),
        [
            ("bytes=0-9", 206, slice(0, 10)),
            ("bytes=10-", 206, slice(10, None)),
            ("bytes=5-999999", 206, slice(5, None)),
        ],
    )
    async def test_a_range_is_answered_with_that_part(
        self, store: ObjectStore, http: httpx.AsyncClient, header: str, status: int, part: slice
    ) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "text/plain")
        answer = await http.get(await store.presign_get(key), headers={"Range": header})
        assert (answer.status_code, answer.content) == (status, CONTENT[part])
        assert answer.headers["content-range"].endswith(f"/{len(CONTENT)}")

    async def test_a_range_beyond_the_end_is_416(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        await store.put(key, CONTENT, "text/plain")
        answer = await http.get(await store.presign_get(key), headers={"Range": "bytes=999999-"})
        assert answer.status_code == 416

    async def test_reading_what_is_gone_is_404(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        assert (await http.get(await store.presign_get(fresh_key()))).status_code == 404
