"""What every adapter of the storage port must do with files in parts, and with versions: subclass and give the fixtures named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from shared.storage import (
    InvalidObjectKey,
    ObjectChanged,
    ObjectMissing,
    ObjectStore,
    Part,
    PartsGone,
    PartsMissing,
    PartsRefused,
)
from shared.storage.parts import SMALLEST_PART, PartPlan, assemble
from shared.testing.storage_suite import CONTENT, fresh_key, whole, with_parameter

PLAN = PartPlan(2 * SMALLEST_PART + len(CONTENT), SMALLEST_PART)


def file_bytes(plan: PartPlan = PLAN) -> bytes:
    """A file of the planned size, in which no two parts are the same."""
    return b"".join(bytes([number]) * plan.size_of(number) for number in range(1, plan.count + 1))


def cut(data: bytes, plan: PartPlan = PLAN) -> Iterator[tuple[int, bytes]]:
    """The parts of a file, with their numbers."""
    for number in range(1, plan.count + 1):
        yield number, data[plan.start_of(number) : plan.start_of(number) + plan.size_of(number)]


async def send_part(
    store: ObjectStore, http: httpx.AsyncClient, key: str, parts_id: str, number: int, body: bytes
) -> httpx.Response:
    """One part, as whoever got its address sends it."""
    request = await store.presign_part(key, parts_id, number, size=len(body), expires_s=60)
    assert request.method == "PUT"
    return await http.put(request.url, content=body, headers=dict(request.headers))


class VersionSuite:
    """One version of an object and no other. Fixture: `store`."""

    async def test_the_version_that_was_looked_at_is_promoted(self, store: ObjectStore) -> None:
        source, target = fresh_key(), fresh_key()
        seen = await store.put(source, CONTENT, "text/plain")
        for _ in range(2):
            await store.promote(source, target, etag=seen.etag, content_type="text/markdown")
        assert await store.head(source) is None
        assert await whole(store, target) == CONTENT

    @pytest.mark.parametrize("content_type", [None, "text/plain", "text/markdown"])
    async def test_another_version_is_not(self, store: ObjectStore, content_type: str | None) -> None:
        source, target = fresh_key(), fresh_key()
        seen = await store.put(source, CONTENT, "text/plain")
        await store.put(source, CONTENT[::-1], "text/plain")
        with pytest.raises(ObjectChanged):
            await store.promote(source, target, etag=seen.etag, content_type=content_type)
        with pytest.raises(ObjectChanged):
            await store.copy(source, target, etag=seen.etag, content_type=content_type)
        assert await store.head(target) is None
        assert await whole(store, source) == CONTENT[::-1]

    async def test_what_comes_after_a_promotion_does_not_replace_it(self, store: ObjectStore) -> None:
        source, target = fresh_key(), fresh_key()
        seen = await store.put(source, CONTENT, "text/plain")
        await store.promote(source, target, etag=seen.etag)
        await store.put(source, CONTENT[::-1], "text/plain")
        await store.promote(source, target, etag=seen.etag)
        assert await whole(store, target) == CONTENT

    async def test_a_version_of_nothing_is_missing(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectMissing):
            await store.promote(fresh_key(), fresh_key(), etag="0" * 32)


class PartsSuite:
    """Files in parts. Fixtures: `store`, `http`, `pass_time` (moves the server's clock)."""

    async def test_parts_in_any_order_become_the_file(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key, data = fresh_key(), file_bytes()
        parts_id = await store.begin_parts(key, content_type="audio/wav")
        for number, body in reversed(list(cut(data))):
            assert (await send_part(store, http, key, parts_id, number, body)).status_code == 200
        assert [part.number for part in await store.list_parts(key, parts_id)] == [1, 2, 3]
        assert await store.head(key) is None
        joined = await assemble(store, key, parts_id, PLAN)
        assert (joined.size, joined.content_type) == (len(data), "audio/wav")
        assert await store.head(key) == joined
        assert await whole(store, key) == data
        with pytest.raises(PartsGone):
            await store.list_parts(key, parts_id)

    async def test_many_parts_are_all_listed(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        for number in (12, 3, 10_000, 1, 7, 2, 9):
            await send_part(store, http, key, parts_id, number, b"x" * number)
        listed = [(part.number, part.size) for part in await store.list_parts(key, parts_id)]
        assert listed == [(n, n) for n in (1, 2, 3, 7, 9, 12, 10_000)]

    async def test_completing_again_answers_the_same(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        await send_part(store, http, key, parts_id, 1, CONTENT)
        parts = await store.list_parts(key, parts_id)
        first = await store.complete_parts(key, parts_id, parts)
        again = await asyncio.gather(*(store.complete_parts(key, parts_id, parts) for _ in range(3)))
        assert again == [first] * 3
        assert await whole(store, key) == CONTENT

    async def test_the_part_sent_last_counts(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        await send_part(store, http, key, parts_id, 1, CONTENT[::-1])
        early = await store.list_parts(key, parts_id)
        await send_part(store, http, key, parts_id, 1, CONTENT)
        with pytest.raises(PartsRefused):
            await store.complete_parts(key, parts_id, early)
        await store.complete_parts(key, parts_id, await store.list_parts(key, parts_id))
        assert await whole(store, key) == CONTENT

    async def test_nothing_is_put_together_while_a_part_is_missing(
        self, store: ObjectStore, http: httpx.AsyncClient
    ) -> None:
        key, data = fresh_key(), file_bytes()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        first, second, last = cut(data)
        for number, body in (first, last, (4, b"one too many")):
            await send_part(store, http, key, parts_id, number, body)
        with pytest.raises(PartsMissing, match="1 of 3 parts have not come: 2"):
            await assemble(store, key, parts_id, PLAN)
        assert await store.head(key) is None
        await send_part(store, http, key, parts_id, *second)
        await assemble(store, key, parts_id, PLAN)
        assert await whole(store, key) == data

    async def test_a_small_part_that_is_not_the_last_is_refused(
        self, store: ObjectStore, http: httpx.AsyncClient
    ) -> None:
        key = fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        for number in (1, 2):
            await send_part(store, http, key, parts_id, number, CONTENT)
        with pytest.raises(PartsRefused):
            await store.complete_parts(key, parts_id, await store.list_parts(key, parts_id))
        assert await store.head(key) is None
        assert len(await store.list_parts(key, parts_id)) == 2

    async def test_parts_that_never_came_make_nothing(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        await send_part(store, http, key, parts_id, 2, CONTENT)
        [came] = await store.list_parts(key, parts_id)
        for named in ([], [Part(1, SMALLEST_PART, came.etag)], [came, came], [Part(2, came.size, "0" * 64)]):
            with pytest.raises(PartsRefused):
                await store.complete_parts(key, parts_id, named)
        assert await store.head(key) is None

    async def test_what_is_given_up_is_gone(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key = fresh_key()
        parts_id, other = [await store.begin_parts(key, content_type="text/plain") for _ in range(2)]
        for one in (parts_id, other):
            await send_part(store, http, key, one, 1, CONTENT)
        parts = await store.list_parts(key, parts_id)
        for _ in range(2):
            await store.abort_parts(key, parts_id)
        assert (await send_part(store, http, key, parts_id, 1, CONTENT)).status_code == 404
        with pytest.raises(PartsGone):
            await store.list_parts(key, parts_id)
        with pytest.raises(PartsGone):
            await store.complete_parts(key, parts_id, parts)
        assert len(await store.list_parts(key, other)) == 1

    async def test_a_cleared_prefix_has_nothing_on_its_way(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        inside, outside = fresh_key(), fresh_key()
        open_there = {key: await store.begin_parts(key, content_type="text/plain") for key in (inside, outside)}
        more = [await store.begin_parts(inside, content_type="text/plain") for _ in range(7)]
        await send_part(store, http, inside, open_there[inside], 1, CONTENT)
        assert await store.delete_prefix(inside.rpartition("/")[0] + "/") == 0
        for parts_id in (open_there[inside], *more):
            with pytest.raises(PartsGone):
                await store.list_parts(inside, parts_id)
        assert await store.list_parts(outside, open_there[outside]) == []

    @pytest.mark.parametrize("body", [CONTENT + b"x", CONTENT[:-1], b""])
    async def test_a_part_of_another_length_is_refused(
        self, store: ObjectStore, http: httpx.AsyncClient, body: bytes
    ) -> None:
        key = fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        request = await store.presign_part(key, parts_id, 1, size=len(CONTENT), expires_s=60)
        assert (await http.put(request.url, content=body)).is_client_error
        assert await store.list_parts(key, parts_id) == []

    async def test_a_part_goes_nowhere_else(self, store: ObjectStore, http: httpx.AsyncClient) -> None:
        key, other = fresh_key(), fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        second = await store.begin_parts(key, content_type="text/plain")
        elsewhere = await store.begin_parts(other, content_type="text/plain")
        url = (await store.presign_part(key, parts_id, 1, size=len(CONTENT), expires_s=60)).url
        query = dict(httpx.URL(url).params)
        for name, value in query.items():
            changed = second if value == parts_id else value + "1" if value.isdigit() else value[:-1] + "~"
            assert (await http.put(with_parameter(url, name, changed), content=CONTENT)).is_client_error, name
        for stolen in (url.replace(key, other), url.replace(parts_id, elsewhere), url + "&part=2", url.split("?")[0]):
            assert (await http.put(stolen, content=CONTENT)).is_client_error, stolen
        assert (await http.get(url)).is_client_error
        assert (await http.delete(url)).is_client_error
        for upload_key, upload in ((key, parts_id), (key, second), (other, elsewhere)):
            assert await store.list_parts(upload_key, upload) == []
        assert [await store.head(one) for one in (key, other)] == [None, None]

    async def test_an_expired_address_takes_no_part(
        self, store: ObjectStore, http: httpx.AsyncClient, pass_time: Callable[[float], None]
    ) -> None:
        key = fresh_key()
        parts_id = await store.begin_parts(key, content_type="text/plain")
        request = await store.presign_part(key, parts_id, 1, size=len(CONTENT), expires_s=60)
        pass_time(61)
        assert (await http.put(request.url, content=CONTENT)).status_code == 403
        pass_time(-61)
        assert await store.list_parts(key, parts_id) == []

    async def test_names_that_climb_out_are_refused(self, store: ObjectStore) -> None:
        with pytest.raises(InvalidObjectKey):
            await store.begin_parts("../a", content_type="text/plain")
        with pytest.raises(InvalidObjectKey):
            await store.list_parts("../a", "0" * 32)
        for parts_id in ("../../x", "", "."):
            await store.abort_parts("a", parts_id or "none")
            with pytest.raises(PartsGone):
                await store.list_parts("a", parts_id or "none")
