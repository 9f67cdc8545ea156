"""Streams when storing fails, when connections are few, and when a producer takes over from another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from shared.db import Connection, Database, Principal
from shared.ids import new_id
from shared.streams import StreamEvent, StreamFollower, StreamHub, StreamWriter, store
from shared.testing import eventually

ALICE = Principal(new_id(), "alice@example.com")


class Trouble(Exception):
    """What goes wrong here."""


class House:
    """A database, a hub, and transactions that can be told to fail."""

    def __init__(self, url: str, connections: int = 4) -> None:
        self.database = Database(url, max_size=connections)
        self.hub = StreamHub()
        self.space = new_id()
        self.failing: list[str] = []
        self.transactions = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """As Alice; fails as often as `failing` says, before the commit or with its answer lost."""
        self.transactions += 1
        trouble = self.failing.pop(0) if self.failing else None
        async with self.database.tenant_tx(ALICE) as connection:
            yield connection
            if trouble == "before":
                raise Trouble("gone before the commit")
        if trouble == "after":
            raise Trouble("committed, but nobody heard")

    async def stream(self) -> UUID:
        stream_id = new_id()
        async with self.database.tenant_tx(ALICE) as connection:
            await store.create(
                connection,
                stream_id,
                space_id=self.space,
                kind="t",
                subject_id=new_id(),
                owner_id=ALICE.user_id,
                lease_s=30,
            )
        return stream_id

    def writer(self, stream_id: UUID, last_seq: int = 0) -> StreamWriter:
        return StreamWriter(stream_id, self.transaction, self.hub, last_seq=last_seq)

    def follow(self, stream_id: UUID, after: int = 0, *, mine: bool = False) -> AsyncGenerator[StreamEvent]:
        return StreamFollower(self.transaction, self.hub).follow(stream_id, after, mine=mine)

    async def stored(self, stream_id: UUID) -> list[int]:
        async with self.database.tenant_tx(ALICE) as connection:
            return [event.seq for event in await store.read(connection, stream_id, 0)]

    async def finish(self, writer: StreamWriter) -> bool:
        async with self.transaction() as connection:
            ended = await writer.finish(connection, "done", "done", {})
        writer.announce()
        return ended


@asynccontextmanager
async def moved_in(url: str, connections: int = 4) -> AsyncGenerator[House]:
    house = House(url, connections)
    async with house.database.service_tx() as connection:
        house.space = await connection.fetchval(
            "SELECT ensure_account($1, $2, 'Alice', $3, 'en')", ALICE.user_id, ALICE.email, new_id()
        )
    yield house
    await house.database.close()


@pytest.fixture
async def house(api_database_url: str) -> AsyncGenerator[House]:
    async with moved_in(api_database_url) as made:
        yield made


@pytest.mark.parametrize("trouble", ["before", "after"])
async def test_a_batch_whose_commit_failed_or_was_not_heard_is_stored_once(house: House, trouble: str) -> None:
    stream_id = await house.stream()
    house.failing = [trouble, trouble]
    async with house.writer(stream_id) as writer:
        for number in range(5):
            writer.emit("delta", {"n": number})
        await eventually(lambda: not house.failing)
        writer.emit("delta", {"n": 5})
        assert await house.finish(writer)
    assert await house.stored(stream_id) == [1, 2, 3, 4, 5, 6, 7]


async def test_an_end_whose_commit_failed_can_be_tried_again(house: House) -> None:
    stream_id = await house.stream()
    async with house.writer(stream_id) as writer:
        writer.emit("delta", {})
        house.failing = ["before"]
        with pytest.raises(Trouble):
            await house.finish(writer)
        assert await house.finish(writer)
    events = [event async for event in house.follow(stream_id)]
    assert [(event.seq, event.type) for event in events] == [(1, "delta"), (2, "done")]


async def test_a_writer_that_leaves_without_an_end_leaves_its_events(house: House) -> None:
    stream_id = await house.stream()
    async with house.writer(stream_id) as writer:
        writer.emit("delta", {})
        house.failing = ["before"]
        with pytest.raises(Trouble):
            await house.finish(writer)
    assert await house.stored(stream_id) == [1]


async def test_many_streams_end_at_once_on_two_connections(api_database_url: str) -> None:
    async with moved_in(api_database_url, connections=2) as house:
        streams = [await house.stream() for _ in range(12)]

        async def produce(stream_id: UUID) -> bool:
            async with house.writer(stream_id) as writer:
                for number in range(3):
                    writer.emit("delta", {"n": number})
                    await asyncio.sleep(0)
                return await house.finish(writer)

        # An end that waited for a flush while holding a connection would stand still here until the pool gives up.
        async with asyncio.timeout(9):
            assert all(await asyncio.gather(*(produce(stream_id) for stream_id in streams)))


async def test_beside_the_producer_everything_is_handed_over(house: House) -> None:
    stream_id = await house.stream()
    async with house.writer(stream_id) as writer:
        writer.emit("start", {})
        early = house.follow(stream_id, mine=True)
        assert (await anext(early)).type == "start"
        before = house.transactions
        late = house.follow(stream_id, mine=True)
        writer.emit("delta", {})
        seen = [await anext(late), await anext(late), await anext(early)]
        assert [event.seq for event in seen] == [1, 2, 2]
        assert house.transactions == before
        await house.finish(writer)
        assert [(await anext(reader)).type for reader in (early, late)] == ["done", "done"]
    for reader in (early, late):
        with pytest.raises(StopAsyncIteration):
            await anext(reader)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("mine", [True, False])
async def test_a_producer_that_takes_over_leaves_no_hole(house: House, after: int, mine: bool) -> None:
    stream_id = await house.stream()
    async with house.writer(stream_id) as first:
        first.emit("delta", {"by": "first"})
        first.emit("delta", {"by": "first"})
    async with house.writer(stream_id, last_seq=2) as second:
        second.emit("delta", {"by": "second"})
        reader = house.follow(stream_id, after, mine=mine)
        assert [(await anext(reader)).seq for _ in range(after, 3)] == list(range(after + 1, 4))
        second.emit("delta", {"by": "second"})
        assert (await anext(reader)).seq == 4
        await house.finish(second)
        assert (await anext(reader)).type == "done"


async def test_a_stream_that_somebody_else_ended_takes_nothing_more(house: House) -> None:
    stream_id = await house.stream()
    async with house.writer(stream_id) as writer:
        writer.emit("delta", {})
        await writer.flush()
        async with house.database.tenant_tx(ALICE) as connection:
            gap = store.AFTER_DEATH_GAP
            assert await store.finish_next(connection, stream_id, "interrupted", "interrupted", {}, gap=gap)
        writer.emit("delta", {})
        await writer.cancelled.wait()
        assert await house.finish(writer) is False
    events = [event async for event in house.follow(stream_id)]
    assert [(event.seq, event.type) for event in events] == [(1, "delta"), (1 + gap, "interrupted")]


async def test_only_a_lease_that_is_still_over_counts_as_abandoned(house: House) -> None:
    stream_id = await house.stream()
    async with house.database.tenant_tx(ALICE) as connection:
        assert not await store.lock_abandoned(connection, stream_id)
        await connection.execute(
            "UPDATE streams SET lease_expires_at = now() - interval '1 s' WHERE id = $1", stream_id
        )
        assert await store.lock_abandoned(connection, stream_id)
        assert not await store.append_numbered(connection, stream_id, [], 30)
        assert not await store.lock_abandoned(connection, stream_id)
