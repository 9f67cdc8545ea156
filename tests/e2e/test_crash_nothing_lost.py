"""Promise 1: nothing acknowledged is lost, whenever the process is killed.

Writers save, change and delete entries all the while; the product is killed at random moments, alone or with its Postgres, and started again.
Then every acknowledged write must be there, every entry finished, and the vectors exactly those of the chunks.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from maru.home import Home
from maru.postgres import EmbeddedPostgres, strays
from shared.testing import eventually
from shared.vectors.port import VectorFilter, point_id
from shared.vectors.remote import RemoteIndex

# A password of the test's own accounts.
_PASSWORD = "a long enough phrase for tests"
_WRITERS_EACH = 3
_TEXTS = (
    "오늘은 아이와 강가를 걸었다. 바람이 좋았다.",
    "We argued about the budget and then made up.",
    "비가 와서 집에서 책을 읽었다. Reading all day.",
)


@dataclass
class Diary:
    """What one person was told: the truth to compare with."""

    client: httpx.AsyncClient
    space_id: UUID
    bodies: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)


class Writer:
    """One person who writes without a pause and repeats, with the same key, what got no answer."""

    def __init__(self, diary: Diary, seed: int) -> None:
        self.diary = diary
        self._random = random.Random(seed)
        self.acknowledged = 0
        self.stopping = False

    async def run(self) -> None:
        while not self.stopping:
            dice = self._random.random()
            if dice < 0.7 or not self.diary.bodies:
                await self._save()
            elif dice < 0.85:
                await self._change()
            else:
                await self._delete()
            self.acknowledged += 1

    async def _save(self) -> None:
        body = f"{self._random.choice(_TEXTS)} {uuid4().hex}"
        headers = {"Idempotency-Key": uuid4().hex}
        answer = await self._until_answered(
            "POST", "/api/v1/entries", json={"kind": "note", "body": body}, headers=headers
        )
        assert answer.status_code == 201, answer.text
        self.diary.bodies[answer.json()["id"]] = body

    async def _change(self) -> None:
        entry_id = self._take()
        if entry_id is None:
            return
        body = f"{self._random.choice(_TEXTS)} {uuid4().hex}"
        answer = await self._until_answered("PATCH", f"/api/v1/entries/{entry_id}", json={"body": body})
        assert answer.status_code == 200, answer.text
        self.diary.bodies[entry_id] = body

    async def _delete(self) -> None:
        entry_id = self._take()
        if entry_id is None:
            return
        answer = await self._until_answered("DELETE", f"/api/v1/entries/{entry_id}")
        # The first of two deletions may have been done without its answer arriving.
        assert answer.status_code in {204, 404}, answer.text
        self.diary.deleted.add(entry_id)

    def _take(self) -> str | None:
        """An entry to work on; while it is out of the diary no other writer touches it."""
        if not self.diary.bodies:
            return None
        entry_id = self._random.choice(sorted(self.diary.bodies))
        del self.diary.bodies[entry_id]
        return entry_id

    async def _until_answered(self, method: str, path: str, **request: Any) -> httpx.Response:
        while True:
            try:
                answer = await self.diary.client.request(method, path, **request)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            # 409: the first call with this key is still under way, or died with the process a moment ago; 503: the database is coming up.
            if answer.status_code in {409, 503}:
                await asyncio.sleep(0.05)
                continue
            return answer


async def a_person(client: httpx.AsyncClient) -> Diary:
    credentials = {"email": f"{uuid4().hex[:12]}@maru.example", "password": _PASSWORD}
    answer = await client.post("/auth/v1/signup", json=credentials)
    assert answer.status_code == 200, answer.text
    client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
    me = (await client.get("/api/v1/me")).json()
    return Diary(client, UUID(me["personal_space_id"]))


async def survive(product: Any, kills: int, seed: int) -> int:
    """Write through so many kills, then check everything; how many writes were acknowledged."""
    chance = random.Random(seed)
    await asyncio.to_thread(product.start)
    async with product.client() as one, product.client() as two:
        diaries = [await a_person(one), await a_person(two)]
        writers = [Writer(diary, seed + number) for number, diary in enumerate(diaries * _WRITERS_EACH)]
        writing = [asyncio.create_task(writer.run()) for writer in writers]
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0.1, 2.0))
            kill(product, with_postgres=chance.random() < 0.4)
            # Sometimes it is killed again while it starts.
            if chance.random() < 0.3:
                product.launch()
                await asyncio.sleep(chance.uniform(0.05, 1.5))
                kill(product, with_postgres=False)
            await asyncio.to_thread(product.start)
            assert not any(task.done() for task in writing), [task.exception() for task in writing if task.done()]
        for writer in writers:
            writer.stopping = True
        await asyncio.gather(*writing)
        for diary in diaries:
            await everything_is_there(diary)
        await the_vectors_are_those_of_the_chunks(product, diaries)
    return sum(writer.acknowledged for writer in writers)


def kill(product: Any, *, with_postgres: bool) -> None:
    """Kill -9 of the process, or of everything of it at one moment."""
    if with_postgres:
        server = EmbeddedPostgres(product.home)
        for pid in strays.running(server.cluster):
            os.kill(pid, signal.SIGKILL)
    product.kill()


async def everything_is_there(diary: Diary) -> None:
    async def finished() -> bool:
        page = await pages(diary.client)
        assert not [entry["id"] for entry in page if entry["status"] == "processing"]
        return True

    await eventually(finished, within=120, every=0.5)
    listed = {entry["id"]: entry for entry in await pages(diary.client)}
    assert set(listed) == set(diary.bodies), "an acknowledged entry is missing, or a deleted one is back"
    for entry_id, body in diary.bodies.items():
        entry = (await diary.client.get(f"/api/v1/entries/{entry_id}")).json()
        assert entry["body"] == body
        assert entry["status"] == "ready" or entry["error"]["code"]
    for entry_id in diary.deleted:
        assert (await diary.client.get(f"/api/v1/entries/{entry_id}")).status_code == 404


async def pages(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    token = None
    while True:
        page = (
            await client.get("/api/v1/entries", params={"page_size": 100, **({"page_token": token} if token else {})})
        ).json()
        entries += page["entries"]
        token = page.get("next_page_token")
        if not token:
            return entries


async def the_vectors_are_those_of_the_chunks(product: Any, diaries: list[Diary]) -> None:
    connection = await asyncpg.connect(EmbeddedPostgres(product.home).dsn())
    index = RemoteIndex(Home(product.home).vector_socket)
    try:

        async def nothing_waits() -> bool:
            waiting = await connection.fetchval(
                "SELECT (SELECT count(*) FROM maru.outbox) + (SELECT count(*) FROM local.deliveries)"
            )
            assert waiting == 0
            return True

        await eventually(nothing_waits, within=60, every=0.2)
        for diary in diaries:
            rows = await connection.fetch(
                "SELECT entry_id, version, ordinal FROM maru.chunks WHERE space_id = $1", diary.space_id
            )
            expected: dict[UUID, set[UUID]] = {}
            for row in rows:
                expected.setdefault(row["entry_id"], set()).add(
                    point_id(row["entry_id"], row["version"], row["ordinal"])
                )
            assert {str(entry) for entry in expected} == set(diary.bodies)
            assert await index.count(VectorFilter(space_ids=[diary.space_id])) == len(rows), (
                "orphaned or missing vectors"
            )
            for entry_id, points in expected.items():
                found = await index.entry_points(entry_id)
                assert len(found) == len(set(found))
                assert set(found) == points
    finally:
        await index.close()
        await connection.close()


@pytest.mark.serial
@pytest.mark.timeout(420)
async def test_ten_kills_under_load_lose_nothing(new_product: Callable[..., Any]) -> None:
    seed = random.randrange(10_000)
    try:
        assert await survive(new_product(), kills=10, seed=seed) > 0
    except BaseException as failure:
        failure.add_note(f"seed {seed}")
        raise


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(4))
async def test_two_hundred_kills_under_load_lose_nothing(new_product: Callable[..., Any], part: int) -> None:
    assert await survive(new_product(), kills=50, seed=part) > 50
