"""Streams: written once, followed here and elsewhere, resumed from any event, seen by nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.db import Database, Principal
from shared.ids import new_id
from shared.streams import StreamEvent, StreamFollower, StreamHub, StreamWriter, store
from shared.streams.sse import encode_event, sse_response
from shared.testing import eventually

ALICE = Principal(new_id(), "alice@example.com")
BOB = Principal(new_id(), "bob@example.com")


@dataclass
class Instance:
    """One process of the gateway: its own pool and its own hub."""

    database: Database
    hub: StreamHub

    def follower(self, principal: Principal) -> StreamFollower:
        return StreamFollower(lambda: self.database.tenant_tx(principal), self.hub)

    def writer(self, stream_id: UUID, *, last_seq: int = 0, lease_s: float = 30) -> StreamWriter:
        return StreamWriter(
            stream_id, lambda: self.database.tenant_tx(ALICE), self.hub, last_seq=last_seq, lease_s=lease_s
        )


@pytest.fixture
async def here(api_database_url: str) -> AsyncGenerator[Instance]:
    instance = Instance(Database(api_database_url), StreamHub())
    yield instance
    await instance.database.close()


@pytest.fixture
async def elsewhere(api_database_url: str) -> AsyncGenerator[Instance]:
    instance = Instance(Database(api_database_url), StreamHub())
    yield instance
    await instance.database.close()


@pytest.fixture
async def stream_id(here: Instance) -> UUID:
    stream = new_id()
    for principal in (ALICE, BOB):
        async with here.database.service_tx() as connection:
            space = await connection.fetchval(
                "SELECT ensure_account($1, $2, '', $3, 'en')", principal.user_id, principal.email, new_id()
            )
        if principal is ALICE:
            async with here.database.tenant_tx(ALICE) as connection:
                await store.create(
                    connection,
                    stream,
                    space_id=space,
                    kind="answer",
                    subject_id=new_id(),
                    owner_id=ALICE.user_id,
                    lease_s=30,
                )
    return stream


async def collect(instance: Instance, principal: Principal, stream: UUID, after: int = 0) -> list[StreamEvent]:
    async with asyncio.timeout(20):
        return [event async for event in instance.follower(principal).follow(stream, after)]


async def produce(instance: Instance, stream: UUID, texts: list[str]) -> None:
    async with instance.writer(stream) as writer:
        for text in texts:
            writer.emit("delta", {"text": text})
            await asyncio.sleep(0)
        async with instance.database.tenant_tx(ALICE) as connection:
            assert await writer.finish(connection, "done", "done", {"length": len(texts)})
        writer.announce()


async def test_readers_here_and_elsewhere_see_the_same_once_and_in_order(
    here: Instance, elsewhere: Instance, stream_id: UUID
) -> None:
    words = [f"마루 {number}" for number in range(60)]
    readers = [asyncio.create_task(collect(place, ALICE, stream_id)) for place in (here, elsewhere, here)]
    await asyncio.sleep(0)
    await produce(here, stream_id, words)
    for events in await asyncio.gather(*readers):
        assert [event.data.get("text") for event in events[:-1]] == words
        assert events[-1].type == "done"
        assert [event.seq for event in events] == list(range(1, 62))


async def test_from_any_event_on_any_instance_the_rest_is_the_same(
    here: Instance, elsewhere: Instance, stream_id: UUID
) -> None:
    await produce(here, stream_id, ["a", "b", "c", "d"])
    whole = await collect(here, ALICE, stream_id)
    for place in (here, elsewhere):
        for after in range(6):
            assert await collect(place, ALICE, stream_id, after) == whole[after:]
        assert await collect(place, ALICE, stream_id, 10_000) == []


async def test_a_long_stream_is_replayed_whole(here: Instance, elsewhere: Instance, stream_id: UUID) -> None:
    await produce(here, stream_id, [str(number) for number in range(1_700)])
    assert len(await collect(elsewhere, ALICE, stream_id)) == 1_701


async def test_nobody_else_sees_anything_not_even_while_it_is_being_written(here: Instance, stream_id: UUID) -> None:
    async with here.writer(stream_id) as writer:
        writer.emit("delta", {"text": "secret"})
        assert await collect(here, BOB, stream_id) == []
        await writer.flush()
        assert await collect(here, BOB, stream_id) == []


async def test_a_reader_that_leaves_is_forgotten_and_the_producer_goes_on(here: Instance, stream_id: UUID) -> None:
    async with here.writer(stream_id) as writer:
        writer.emit("delta", {"text": "one"})
        response = sse_response(here.follower(ALICE).follow(stream_id))
        body = aiter(response.body_iterator)
        assert b"one" in await anext(body)
        await body.aclose()  # type: ignore[attr-defined]  # Starlette types it as any iterable
        assert here.hub._listeners == {}
        writer.emit("delta", {"text": "two"})
    events = [event async for event in stored(here, stream_id)]
    assert [event.data["text"] for event in events] == ["one", "two"]


async def stored(instance: Instance, stream: UUID) -> AsyncGenerator[StreamEvent]:
    async with instance.database.tenant_tx(ALICE) as connection:
        for event in await store.read(connection, stream, 0):
            yield event


async def test_a_stop_pressed_elsewhere_reaches_the_producer(
    here: Instance, elsewhere: Instance, stream_id: UUID
) -> None:
    async with here.writer(stream_id, lease_s=0.6) as writer:
        async with elsewhere.database.tenant_tx(ALICE) as connection:
            assert await store.request_cancel(connection, stream_id) == "running"
        assert await eventually(writer.cancelled.is_set)


async def test_a_stranger_cannot_press_stop(here: Instance, stream_id: UUID) -> None:
    async with here.database.tenant_tx(BOB) as connection:
        assert await store.request_cancel(connection, stream_id) is None


async def test_a_producer_that_died_is_found_by_its_lease_and_its_stream_ends(
    here: Instance, elsewhere: Instance, stream_id: UUID, database_url: str
) -> None:
    writer = here.writer(stream_id)
    writer.emit("delta", {"text": "half"})
    await writer.flush()
    reader = asyncio.create_task(collect(elsewhere, ALICE, stream_id))
    async with here.database.service_tx() as connection:
        assert await store.abandoned(connection) == []
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE maru.streams SET lease_expires_at = now() - interval '1 second'")
    await owner.close()
    async with elsewhere.database.service_tx() as connection:
        (found,) = await store.abandoned(connection)
    async with elsewhere.database.space_tx(found["space_id"]) as connection:
        assert await store.finish_next(
            connection, stream_id, "interrupted", "interrupted", {}, gap=store.AFTER_DEATH_GAP
        )
    assert [event.type for event in await reader] == ["delta", "interrupted"]
    # The dead one wakes up again: nothing of it may follow the end.
    writer.emit("delta", {"text": "ghost"})
    await writer.flush()
    assert writer.cancelled.is_set()
    assert [event.type async for event in stored(here, stream_id)] == ["delta", "interrupted"]


async def test_a_stream_ends_once(here: Instance, stream_id: UUID) -> None:
    await produce(here, stream_id, ["a"])
    async with here.database.tenant_tx(ALICE) as connection:
        assert not await store.finish(connection, stream_id, "failed", StreamEvent(99, "error", {}))
        assert await store.append(connection, stream_id, "delta", {}) is None
    assert [event.type for event in await collect(here, ALICE, stream_id)] == ["delta", "done"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc\n\r\u2028", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(seq=st.integers(1, 2**60), data=st.dictionaries(st.sampled_from(["text", "글"]), json_values))
def test_an_event_on_the_wire_is_one_frame_whatever_it_says(seq: int, data: dict[str, object]) -> None:
    frame = encode_event(StreamEvent(seq, "delta", data))
    assert frame.endswith(b"\n\n")
    # A browser splits at CR, LF and CRLF, and at nothing else.
    lines = frame.decode()[:-2].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert len(lines) == 3
    assert lines[0] == f"id: {seq}"
    assert lines[1] == "event: delta"
    assert json.loads(lines[2].removeprefix("data: ")) == data
