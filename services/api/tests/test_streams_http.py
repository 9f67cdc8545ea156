"""Streams over HTTP: positions, live following, stopping, and the end of abandoned ones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from uuid import UUID, uuid4

import httpx
import pytest
import uvicorn
from shared.db import Database
from shared.ids import new_id
from shared.streams import store as stream_store
from shared.testing.identity import Somebody, callback_headers
from shared.testing.memory import Memory, events_of
from shared.testing.postgres import RoleUrls
from shared.testing.waiting import eventually


async def _begin(urls: RoleUrls, who: Somebody, *, lease_s: float | None = None, owner: UUID | None = None) -> UUID:
    stream_id, database = new_id(), Database(urls.api, max_size=1)
    async with database.space_tx(UUID(who.space_id)) as connection:
        await stream_store.create(
            connection,
            stream_id,
            space_id=UUID(who.space_id),
            kind="test",
            subject_id=new_id(),
            owner_id=owner,
            lease_s=lease_s,
        )
        for number in range(3):
            await stream_store.append(connection, stream_id, "step", {"number": number})
    await database.close()
    return stream_id


async def _end(urls: RoleUrls, who: Somebody, stream_id: UUID) -> None:
    database = Database(urls.api, max_size=1)
    async with database.space_tx(UUID(who.space_id)) as connection:
        await stream_store.finish_next(connection, stream_id, "done", "done", {})
    await database.close()


@pytest.fixture
async def live_url(memory: Memory) -> AsyncGenerator[str]:
    """The same gateway behind a real socket, since a client in process sees an answer only when it is whole."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(memory.gateway, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await eventually(lambda: server.started)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await serving
    listening.close()


@pytest.mark.parametrize("position", ["-1", "one", "1.5", "9" * 19, "١"])
async def test_a_position_that_is_no_event_number_is_refused(memory: Memory, position: str) -> None:
    jiwoo = await memory.person()
    header = {"Last-Event-ID": position.encode()}
    answer = await jiwoo.http.get(f"/api/v1/streams/{uuid4()}", headers=header)
    assert (answer.status_code, answer.json()["code"]) == (400, "last_event_id_invalid")
    query = await jiwoo.http.get(f"/api/v1/streams/{uuid4()}", params={"after": position})
    assert query.status_code in {404, 422}


async def test_the_header_wins_over_the_query(memory: Memory, database_urls: RoleUrls) -> None:
    jiwoo = await memory.person()
    stream_id = await _begin(database_urls, jiwoo)
    await _end(database_urls, jiwoo, stream_id)
    answer = await jiwoo.http.get(f"/api/v1/streams/{stream_id}", params={"after": 0}, headers={"Last-Event-ID": "2"})
    assert [event.seq for event in events_of(answer.text)] == [3, 4]


async def test_who_follows_sees_the_end_as_it_happens(memory: Memory, database_urls: RoleUrls) -> None:
    jiwoo = await memory.person()
    stream_id = await _begin(database_urls, jiwoo)
    following = asyncio.create_task(jiwoo.http.get(f"/api/v1/streams/{stream_id}"))
    await _end(database_urls, jiwoo, stream_id)
    answer = await asyncio.wait_for(following, 20)
    assert [event.type for event in events_of(answer.text)] == ["step", "step", "step", "done"]


async def test_a_stream_of_ones_own_is_hidden_from_fellow_members(memory: Memory, database_urls: RoleUrls) -> None:
    jiwoo, minho = await memory.person(), await memory.person("minho")
    space = (await jiwoo.http.post("/api/v1/spaces", json={"name": "Shared"})).json()["id"]
    await jiwoo.http.post(f"/api/v1/spaces/{space}/members", json={"email": minho.email, "role": "editor"})
    shared_space = Somebody(jiwoo.http, jiwoo.id, jiwoo.email, "", "", space)
    private = await _begin(database_urls, shared_space, owner=UUID(jiwoo.id))
    common = await _begin(database_urls, shared_space)
    for stream_id in (private, common):
        await _end(database_urls, shared_space, stream_id)
    assert (await minho.http.get(f"/api/v1/streams/{common}")).status_code == 200
    assert (await minho.http.get(f"/api/v1/streams/{private}")).status_code == 404
    assert (await minho.http.post(f"/api/v1/streams/{private}/cancel")).status_code == 404
    assert (await jiwoo.http.get(f"/api/v1/streams/{private}")).status_code == 200


async def test_stop_is_heard_by_the_producer_and_changes_nothing_after_the_end(
    memory: Memory, database_urls: RoleUrls
) -> None:
    jiwoo = await memory.person()
    stream_id = await _begin(database_urls, jiwoo)
    for _ in range(2):
        answer = await jiwoo.http.post(f"/api/v1/streams/{stream_id}/cancel")
        assert (answer.status_code, answer.json()) == (202, {"stream_id": str(stream_id), "status": "running"})
    asked = await memory.rows("SELECT cancel_requested FROM maru.streams WHERE id = $1", stream_id)
    assert asked == [{"cancel_requested": True}]
    await _end(database_urls, jiwoo, stream_id)
    assert (await jiwoo.http.post(f"/api/v1/streams/{stream_id}/cancel")).json()["status"] == "done"
    unknown = await jiwoo.http.post(f"/api/v1/streams/{uuid4()}/cancel")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "stream_not_found")


async def test_the_sweep_ends_a_stream_whose_producer_died_and_no_other(
    memory: Memory, database_urls: RoleUrls
) -> None:
    jiwoo = await memory.person()
    dead = await _begin(database_urls, jiwoo, lease_s=-1)
    alive = await _begin(database_urls, jiwoo, lease_s=60)
    unleased = await _begin(database_urls, jiwoo)
    assert (await memory.api.post("/internal/sweep")).status_code == 401
    for _ in range(2):
        swept = await memory.api.post("/internal/sweep", headers=callback_headers())
        assert swept.status_code == 204, swept.text
    events = events_of((await jiwoo.http.get(f"/api/v1/streams/{dead}")).text)
    assert [event.type for event in events] == ["step", "step", "step", "interrupted"]
    assert events[-1].data["code"] == "interrupted"
    states = await memory.rows("SELECT id, status FROM maru.streams WHERE kind = 'test'")
    assert {row["id"]: row["status"] for row in states} == {dead: "interrupted", alive: "running", unleased: "running"}


async def test_an_entry_is_followed_live_over_a_real_connection(memory: Memory, live_url: str) -> None:
    jiwoo = await memory.person()
    saved = await memory.note(jiwoo, "Watch me become known.")
    seen: list[str] = []

    async def follow() -> None:
        url = f"{live_url}/api/v1/entries/{saved['id']}/events"
        headers = {"Authorization": f"Bearer {jiwoo.access_token}"}
        async with httpx.AsyncClient(timeout=20) as client, client.stream("GET", url, headers=headers) as answer:
            lines = [line async for line in answer.aiter_lines()]
            seen.extend(line.removeprefix("event: ") for line in lines if line.startswith("event: "))

    following = asyncio.create_task(follow())
    await memory.settle()
    await asyncio.wait_for(following, 20)
    assert seen == ["step"] * 5 + ["done"]
