"""The dispatcher with a database, a folder of files, and jobs as the gateway makes them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest
from inference.main import Engines, build_app
from shared.db import Database
from shared.ids import new_id
from shared.settings import StorageSettings
from shared.storage import open_folder
from shared.streams import StreamHub
from shared.studio.worker_tokens import make_token
from shared.testing.identity import callback_headers, public_key_pem

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI
    from shared.storage.folder import FolderStore
    from shared.testing.postgres import RoleUrls

URL = "http://127.0.0.1:8002"
FILES_KEY = "a key of this test's folder alone"


@dataclass(frozen=True)
class MadeJob:
    """A job that waits for workers."""

    id: UUID
    space_id: UUID
    stream_id: UUID
    tasks: list[UUID]


class Gateway:
    """Makes and changes jobs in the transactions in which the gateway does."""

    def __init__(self, owner: asyncpg.Connection[Any], database: Database) -> None:
        self.owner = owner
        self._database = database

    async def space(self) -> UUID:
        """A space of somebody's own."""
        space = new_id()
        await self.owner.execute(
            "INSERT INTO maru.spaces (id, name, kind, owner_id) VALUES ($1, 'space', 'shared', $2)", space, new_id()
        )
        return space

    async def job(
        self,
        tasks: int = 1,
        *,
        space_id: UUID | None = None,
        runner: str = "image",
        requires: dict[str, Any] | None = None,
        priority: int = 0,
        max_attempts: int = 3,
        params: dict[str, Any] | None = None,
        input_key: str | None = None,
    ) -> MadeJob:
        """Submit a job of so many tasks."""
        space = space_id or await self.space()
        job, stream = new_id(), new_id()
        async with self._database.space_tx(space) as connection:
            await connection.execute(
                "INSERT INTO streams (id, space_id, kind, subject_id) VALUES ($1, $2, 'job', $3)", stream, space, job
            )
            await connection.execute(
                """
                INSERT INTO jobs (id, space_id, owner_id, name, kind, runner, params, requires, priority, max_attempts, status, stream_id, total,
                  submitted_at)
                VALUES ($1, $2, $3, 'job', 'inference', $4, $5, $6, $7, $8, 'queued', $9, $10, now())
                """,
                job,
                space,
                new_id(),
                runner,
                params or {},
                requires or {},
                priority,
                max_attempts,
                stream,
                tasks,
            )
            queue = await connection.fetchval("SELECT task_queue($1, $2)", runner, requires or {})
            base = await connection.fetchval("SELECT place_tasks($1, $2, $3, $4)", space, queue, priority, tasks)
            made = [new_id() for _ in range(tasks)]
            await connection.execute(
                """
                INSERT INTO tasks (id, job_id, space_id, seq, queue_id, priority, turn, max_failures, input_path, input_key, input_name, input_type)
                SELECT t.id, $2, $3, t.place, $4, $5, $6 + t.place, $7, $8, $8, 'input.png', 'image/png'
                FROM unnest($1::uuid[]) WITH ORDINALITY AS t (id, place)
                """,
                made,
                job,
                space,
                queue,
                priority,
                base,
                max_attempts,
                input_key,
            )
            await connection.execute("SELECT pg_notify('maru_tasks', '')")
        return MadeJob(job, space, stream, made)

    async def token(
        self,
        *,
        spaces: Sequence[UUID] | None = None,
        runners: Sequence[str] | None = None,
        price_micros_per_hour: int = 0,
        valid: str = "1 day",
    ) -> str:
        """A worker's token."""
        token, token_id, digest = make_token()
        await self.owner.execute(
            "INSERT INTO maru.worker_tokens (id, name, space_ids, runners, price_micros_per_hour) VALUES ($1, 'test', $2, $3, $4)",
            token_id,
            spaces,
            runners,
            price_micros_per_hour,
        )
        await self.owner.execute(
            "INSERT INTO maru.worker_token_versions (token_id, version, sha256, expires_at) VALUES ($1, 1, $2, now() + $3::text::interval)",
            token_id,
            digest,
            valid,
        )
        return token

    async def task(self, task_id: UUID | str) -> asyncpg.Record:
        """A task as it is stored."""
        row = await self.owner.fetchrow("SELECT * FROM maru.tasks WHERE id = $1", UUID(str(task_id)))
        assert row is not None
        return row

    async def stored_job(self, job: MadeJob) -> asyncpg.Record:
        """A job as it is stored."""
        row = await self.owner.fetchrow("SELECT * FROM maru.jobs WHERE id = $1", job.id)
        assert row is not None
        return row

    async def silence(self, tasks: Iterable[UUID | str]) -> None:
        """Let the leases of these tasks be over."""
        await self.owner.execute(
            "UPDATE maru.tasks SET lease_expires_at = now() - interval '1 second' WHERE id = ANY ($1) AND status = 'processing'",
            [UUID(str(task)) for task in tasks],
        )

    async def hurry(self) -> None:
        """Let every wait for another attempt be over."""
        await self.owner.execute("UPDATE maru.tasks SET run_at = now() WHERE status = 'delayed'")


@dataclass
class WorkerAgent:
    """A worker: its token, its name, and the calls it makes."""

    http: httpx.AsyncClient
    token: str
    name: str = "worker-1"
    capabilities: dict[str, Any] | None = None

    async def call(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Call the dispatcher."""
        return await self.http.post(
            f"/api/v1/worker/{path}", json=body, headers={"Authorization": f"Bearer {self.token}"}
        )

    async def claim(self, count: int = 1, wait_s: float = 0, claim_id: UUID | None = None) -> list[dict[str, Any]]:
        """The tasks it is given."""
        body: dict[str, Any] = {"worker_id": self.name, "max_tasks": count, "wait_s": wait_s}
        if claim_id is not None:
            body["claim_id"] = str(claim_id)
        if self.capabilities is not None:
            body["capabilities"] = self.capabilities
        answer = await self.call("next-task", body)
        if answer.status_code == 204:
            return []
        assert answer.status_code == 200, answer.text
        tasks: list[dict[str, Any]] = answer.json()["tasks"]
        return tasks

    async def report(self, task: dict[str, Any], status: str = "done", **more: Any) -> httpx.Response:
        """Report a task that it was given."""
        return await self.call(
            "report", {"task_id": task["task_id"], "attempt": task["attempt"], "status": status, **more}
        )

    async def heartbeat(self, *tasks: dict[str, Any], progress: float | None = None) -> dict[str, Any]:
        """Keep the leases of these tasks."""
        held = [{"task_id": task["task_id"], "attempt": task["attempt"], "progress": progress} for task in tasks]
        answer = await self.call("heartbeat", {"worker_id": self.name, "tasks": held})
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document


@dataclass
class Studio:
    """A dispatcher and everything around it."""

    app: FastAPI
    http: httpx.AsyncClient
    gateway: Gateway
    storage: FolderStore
    hub: StreamHub
    environment: dict[str, str]

    async def worker(
        self, name: str = "worker-1", capabilities: dict[str, Any] | None = None, **token: Any
    ) -> WorkerAgent:
        """A worker with a token of its own."""
        return WorkerAgent(self.http, await self.gateway.token(**token), name, capabilities)

    async def upload(self, signed: dict[str, Any], body: bytes, content_type: str | None = None) -> None:
        """PUT to a signed address, as the api serves it."""
        assert signed.get("method", "PUT") == "PUT"
        address = urlsplit(signed["url"])
        grant = self.storage.allowed("PUT", address.path.removeprefix("/files/"), address.query)
        assert grant.part or (content_type or signed["headers"]["Content-Type"]) == grant.content_type

        async def pieces() -> AsyncGenerator[bytes]:
            yield body

        await self.storage.receive(grant, pieces())

    async def sweep(self) -> None:
        """What our own scheduler calls each minute."""
        answer = await self.http.post("/internal/sweep", headers=callback_headers(URL))
        assert answer.status_code == 204, answer.text

    async def events(self, job: MadeJob) -> list[tuple[str, dict[str, Any]]]:
        """What followers of a job have been told."""
        rows = await self.gateway.owner.fetch(
            "SELECT type, data FROM maru.stream_events WHERE stream_id = $1 ORDER BY seq", job.stream_id
        )
        return [(row["type"], json.loads(row["data"])) for row in rows]

    async def outbox(self, topic: str) -> list[dict[str, Any]]:
        """The facts of a topic that have been promised."""
        rows = await self.gateway.owner.fetch(
            "SELECT body FROM maru.outbox WHERE topic_or_queue = $1 ORDER BY seq", topic
        )
        return [json.loads(row["body"]) for row in rows]


def inference_environment(urls: RoleUrls, folder: Path) -> dict[str, str]:
    """What the dispatcher is started with."""
    return {
        "DATABASE_URL": urls.inference,
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": public_key_pem(),
        "MARU_HOME": str(folder),
        "MARU_FILES_KEY": FILES_KEY,
    }


Opening = Callable[..., Any]
Studios = Callable[[], AbstractAsyncContextManager[Opening]]


@pytest.fixture
def studios(database_urls: RoleUrls, tmp_path: Path) -> Studios:
    """What opens dispatchers in whichever event loop a test runs."""

    @asynccontextmanager
    async def opening() -> AsyncGenerator[Opening]:
        async with AsyncExitStack() as stack:
            owner = await asyncpg.connect(database_urls.superuser)
            stack.push_async_callback(owner.close)
            database = Database(database_urls.inference, max_size=4)
            stack.push_async_callback(database.close)
            gateway = Gateway(owner, database)

            async def opened(wrap: Callable[[FolderStore], Any] = lambda store: store, **variables: str) -> Studio:
                environment = inference_environment(database_urls, tmp_path) | variables
                storage = open_folder(StorageSettings.from_env(environment))
                hub = StreamHub()
                app = build_app(environment, Engines(hub=hub, storage=wrap(storage)))
                await stack.enter_async_context(app.router.lifespan_context(app))
                http = await stack.enter_async_context(
                    httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL, timeout=30)
                )
                return Studio(app, http, gateway, storage, hub, environment)

            yield opened

    return opening


@pytest.fixture
async def open_studio(studios: Studios) -> AsyncGenerator[Opening]:
    """Opens dispatchers beside one another on one database: `await open_studio(wrap=…, **variables)`."""
    async with studios() as opened:
        yield opened


@pytest.fixture
async def studio(open_studio: Opening) -> Studio:
    """One dispatcher."""
    made: Studio = await open_studio()
    return made
