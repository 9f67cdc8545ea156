"""The whole product with a transaction pooler between its services and Postgres: what people do, and what is left when somebody erases themself."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from maru.home import Home
from maru.postgres import EmbeddedPostgres
from shared.testing import eventually
from shared.testing.pgbouncer import run_pgbouncer
from shared.testing.serving import sent_events
from shared.vectors.remote import RemoteIndex

pytestmark = pytest.mark.serial

PASSWORD = "a long enough phrase for tests"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg==")
NOTE = "오늘 할머니와 느티나무 아래에서 수박을 먹었다. 바람이 시원해서 행복했다."
# What counts calls, what says who is in the shared space, and kept answers of which one told who came in.
_CHANGES = {"maru.api_logs", "maru.rate_buckets", "maru.space_members", "maru.spaces", "maru.idempotency_keys"}
_TABLES = """
SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
"""


@dataclass
class Person:
    """Somebody signed in, and what they have made."""

    http: httpx.AsyncClient
    id: str
    email: str
    space: str

    async def post(self, path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
        answer = await self.http.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code == status, answer.text
        return dict(answer.json())

    async def upload(self, filename: str, content_type: str, content: bytes, space: str) -> str:
        begun = await self.post(
            "/uploads", {"filename": filename, "content_type": content_type, "size": len(content), "space_id": space}
        )
        address = urlsplit(begun["url"])
        put = await self.http.put(f"{address.path}?{address.query}", content=content, headers=begun["headers"])
        assert put.status_code == 200, put.text
        await self.post(f"/uploads/{begun['id']}/complete", {}, 200)
        return str(begun["id"])

    async def entry(self, space: str, **fields: Any) -> str:
        """An entry that has been understood."""
        entry = (await self.post("/entries", {"space_id": space, **fields}))["id"]

        async def ready() -> bool:
            seen = (await self.http.get(f"/api/v1/entries/{entry}")).json()
            assert seen["status"] != "failed", seen
            return bool(seen["status"] == "ready")

        await eventually(ready, within=60)
        return str(entry)

    async def ask(self, question: str) -> str:
        """The events of an answer, as one text."""
        conversation = (await self.post("/conversations", {}))["id"]
        path, accept = f"/api/v1/conversations/{conversation}/messages", {"Accept": "text/event-stream"}
        async with self.http.stream("POST", path, json={"content": question}, headers=accept) as answer:
            events = [event async for event in sent_events(answer.aiter_lines())]
        assert events[-1].type == "done", events[-1]
        assert {"start", "delta", "citation"} <= {event.type for event in events}
        return json.dumps([event.data for event in events], ensure_ascii=False)

    async def job(self, space: str) -> str:
        """A job that a worker has done."""
        photo = await self.upload("고양이.png", "image/png", PNG, space)
        job = (
            await self.post(
                "/jobs",
                {
                    "name": "many cats",
                    "runner": "image",
                    "params": {"operation": "upscale", "scale": 2},
                    "space_id": space,
                },
            )
        )["id"]
        await self.post(f"/jobs/{job}/enqueue", {"input_paths": [photo]}, 200)

        async def done() -> bool:
            return bool((await self.http.get(f"/api/v1/jobs/{job}")).json()["status"] == "done")

        await eventually(done, within=60)
        return str(job)


@pytest.fixture(scope="module")
def pooled_product(tmp_path_factory: pytest.TempPathFactory, product_type: Any) -> Generator[Any]:
    """A product whose services reach its Postgres through PgBouncer alone, two connections for each."""
    folder = tmp_path_factory.mktemp("pooled")
    home = folder / "home"
    postgres = str(EmbeddedPostgres(home).socket_folder)
    with run_pgbouncer(postgres, "maru", folder / "pgbouncer", pool_size=2) as addresses:
        env = {f"{service.upper()}_DATABASE_URL": address for service, address in addresses.items()}
        product = product_type(home, flags=("--no-ui", "--workers", "1"), env=env | {"DATABASE_POOLED": "1"})
        try:
            yield product.start()
        finally:
            product.stop()


@pytest.fixture
async def sign_up(pooled_product: Any) -> AsyncGenerator[Any]:
    clients: list[httpx.AsyncClient] = []

    async def make(name: str) -> Person:
        client = pooled_product.client()
        clients.append(client)
        email = f"{name}-{uuid4().hex[:12]}@maru.example"
        made = await client.post("/auth/v1/signup", json={"email": email, "password": PASSWORD, "data": {"name": name}})
        assert made.status_code == 200, made.text
        client.headers["authorization"] = f"Bearer {made.json()['access_token']}"
        me = (await client.get("/api/v1/me")).json()
        return Person(client, me["user"]["id"], email, me["personal_space_id"])

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def owner(pooled_product: Any) -> AsyncGenerator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(EmbeddedPostgres(pooled_product.home).dsn())
    yield connection
    await connection.close()


async def test_the_services_are_behind_the_pooler(
    pooled_product: Any, sign_up: Any, owner: asyncpg.Connection[Any]
) -> None:
    await sign_up("jiwoo")
    rows = await owner.fetch(
        "SELECT usename, count(*) AS n FROM pg_stat_activity WHERE usename IN ('maru_api', 'maru_ingest', 'maru_inference') GROUP BY 1"
    )
    assert rows, "nobody is connected at all"
    assert all(row["n"] <= 2 for row in rows), rows


async def test_what_people_do_works_through_the_pooler(sign_up: Any) -> None:
    person: Person = await sign_up("jiwoo")
    entry = await person.entry(person.space, kind="note", title="느티나무", body=NOTE)
    found = await person.post("/search", {"query": "수박"}, 200)
    assert [hit["entry_id"] for hit in found["hits"]] == [entry]
    assert entry in await person.ask("할머니와 무엇을 먹었지?")
    job = await person.job(person.space)
    results = await person.http.get(f"/api/v1/jobs/{job}/results.zip")
    assert results.content[:2] == b"PK"


async def test_whoever_erases_themself_is_nowhere_and_everybody_else_is_as_before(
    pooled_product: Any, sign_up: Any, owner: asyncpg.Connection[Any]
) -> None:
    leaving, staying = await sign_up("leaving"), await sign_up("staying")
    shared = (await staying.post("/spaces", {"name": "가족"}))["id"]
    await staying.post(f"/spaces/{shared}/members", {"email": leaving.email, "role": "owner"})
    alone = (await leaving.post("/spaces", {"name": "alone"}))["id"]
    kept = await fill(leaving, shared)
    await fill(leaving, alone)
    await fill(leaving, leaving.space)
    await leaving.job(leaving.space)
    ticket = {"email": leaving.email, "password": PASSWORD}
    for opened in (False, True):
        made = (await leaving.http.post("/api/v1/ui/tickets", json=ticket)).json()["ticket"]
        if opened:
            await leaving.http.post("/api/v1/ui/sessions", json={"ticket": made})
    await fill(staying, staying.space)
    await settled(owner, staying)
    names = (leaving.id, leaving.space, leaving.email, alone)
    assert {
        "maru.profiles",
        "maru.entries",
        "maru.jobs",
        "maru.api_logs",
        "maru.ui_sessions",
        "idp.users",
    } <= await mentions(owner, names)
    before = await checksums(owner, staying), files(pooled_product, staying.space)

    assert (await leaving.http.request("DELETE", "/api/v1/me", json={"password": PASSWORD})).status_code == 204
    await settled(owner, staying)
    assert await mentions(owner, names) == set()
    assert (await checksums(owner, staying), files(pooled_product, staying.space)) == before
    assert not files(pooled_product, leaving.space)
    assert not files(pooled_product, alone)
    index = RemoteIndex(Home(pooled_product.home).vector_socket)
    try:
        assert [await index.delete_space(UUID(space)) for space in (leaving.space, alone)] == [0, 0]
    finally:
        await index.close()
    left = await staying.http.get(f"/api/v1/entries/{kept}")
    assert left.status_code == 200, "what was given to others is theirs"
    assert leaving.id not in left.text
    found = await staying.post("/search", {"query": "수박", "space_ids": [shared]}, 200)
    assert [hit["entry_id"] for hit in found["hits"]] == [kept]
    assert (await leaving.http.get("/api/v1/me")).status_code == 401


async def fill(person: Person, space: str) -> str:
    """Something of every kind that a person makes; the note's id."""
    note = await person.entry(space, kind="note", title="느티나무", body=NOTE)
    document = await person.upload("boiler.txt", "text/plain", b"The boiler was repaired on 3 March.", space)
    await person.entry(space, kind="document", uploads=[document])
    corrected = await person.http.patch(f"/api/v1/entries/{note}/insights", json={"summary": "수박"})
    assert corrected.status_code == 200, corrected.text
    await person.post("/people", {"name": "민지", "space_id": space})
    await person.ask("할머니와 무엇을 먹었지?")
    return note


async def settled(owner: asyncpg.Connection[Any], caller: Person) -> None:
    """Let everything that was promised be done, also what is due only later; and let the log of calls be written."""

    async def nothing_waits() -> bool:
        await owner.execute("UPDATE maru.outbox SET not_before = now() WHERE not_before > now()")
        await owner.execute(
            "UPDATE local.deliveries SET run_at = now() WHERE run_at > now() + interval '1 minute' AND claimed_by IS NULL"
        )
        waiting = await owner.fetchval(
            "SELECT (SELECT count(*) FROM maru.outbox) + (SELECT count(*) FROM local.deliveries)"
        )
        assert waiting == 0, await owner.fetch("SELECT subscription, attempts, last_error FROM local.deliveries")
        return True

    await eventually(nothing_waits, within=90, every=0.2)
    # Calls are written in their order: once this one is, all before it are.
    mark = uuid4().hex
    await caller.http.get("/api/v1/me", headers={"x-request-id": mark})
    written = "SELECT EXISTS (SELECT FROM maru.api_logs WHERE request_id = $1)"
    await eventually(lambda: owner.fetchval(written, mark), within=30, every=0.1)


async def mentions(owner: asyncpg.Connection[Any], names: tuple[str, ...]) -> set[str]:
    """The tables in which any of the names stands, in whichever column: every row of every table, as text."""
    found = set()
    for table in await owner.fetch(_TABLES):
        pattern = "|".join(name.replace(".", r"\.") for name in names)
        if await owner.fetchval(f"SELECT EXISTS (SELECT FROM {table['name']} t WHERE t::text ~ $1)", pattern):
            found.add(table["name"])
    return found


async def checksums(owner: asyncpg.Connection[Any], person: Person) -> dict[str, str]:
    """Of every table, the rows that name a person or their space."""
    sums = {}
    for table in await owner.fetch(_TABLES):
        if table["name"] in _CHANGES:
            continue
        rows = await owner.fetch(
            f"SELECT t::text AS row FROM {table['name']} t WHERE t::text ~ $1 ORDER BY 1", f"{person.id}|{person.space}"
        )
        sums[table["name"]] = hashlib.sha256("\n".join(row["row"] for row in rows).encode()).hexdigest()
    return sums


def files(product: Any, space: str) -> dict[str, str]:
    """Everything of a space in the folder of files."""
    folder: Path = product.home / "files"
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and space in str(path)
    }
