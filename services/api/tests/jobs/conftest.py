"""Jobs over HTTP, and machines that are played by the statements of a dispatcher."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from shared.storage.folder import FolderStore
from shared.testing.identity import SignUp, Somebody

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 24


@dataclass
class Machines:
    """What the dispatcher writes when workers claim and report, in the role it has."""

    connection: asyncpg.Connection[Any]
    storage: FolderStore

    async def claim(self, job_id: str, count: int = 1, worker: str = "box-1") -> list[asyncpg.Record]:
        """Take the next tasks of a job: `id, space_id, attempt`."""
        return await self._as_dispatcher(
            """
            WITH next AS (SELECT id FROM tasks WHERE job_id = $1 AND status = 'queued' ORDER BY turn, id LIMIT $2 FOR UPDATE SKIP LOCKED)
            UPDATE tasks t SET status = 'processing', attempt = attempt + 1, worker_name = $3, claimed_at = now(), progress = NULL,
              lease_expires_at = now() + interval '1 minute' FROM next WHERE t.id = next.id RETURNING t.id, t.space_id, t.job_id, t.attempt, t.seq
            """,
            UUID(job_id),
            count,
            worker,
        )

    async def spend(self, task: asyncpg.Record, seconds: int, price_micros_per_hour: int) -> None:
        """Let a task that is at work have been so for a while, on a machine at this price."""
        await self._as_dispatcher(
            "UPDATE tasks SET claimed_at = now() - make_interval(secs => $2), price_micros_per_hour = $3 WHERE id = $1",
            task["id"],
            seconds,
            price_micros_per_hour,
        )

    async def finish(self, task: asyncpg.Record, data: bytes = b"made", name: str = "result.png") -> str | None:
        """Upload a result and report it; the answer is the task's state, None when the report was refused."""
        key = f"spaces/{task['space_id']}/jobs/{task['job_id']}/{task['id']}/{task['attempt']}/output"
        await self.storage.put(key, data, "image/png")
        fields = {"output_key": key, "output_name": name, "output_type": "image/png", "output_size": len(data)}
        return await self._report(task, "done", fields)

    async def fail(self, task: asyncpg.Record, code: str = "broken", *, retry: bool = False) -> str | None:
        """Report a failure, for good or to be tried again."""
        error = {"code": code, "detail": "The picture cannot be read.", "lines": ["Traceback"]}
        return await self._report(task, "delayed" if retry else "failed", {"error": json.dumps(error)})

    async def _report(self, task: asyncpg.Record, status: str, fields: dict[str, Any]) -> str | None:
        sets = "".join(f", {name} = ${number}" for number, name in enumerate(fields, 4))
        finished = status in {"done", "failed"}
        rows = await self._as_dispatcher(
            f"""
            WITH told AS (UPDATE tasks SET status = $3, lease_expires_at = NULL, reported_attempt = attempt, reported_status = $3,
                failures = failures + CASE WHEN $3 = 'done' THEN 0 ELSE 1 END, run_ms = run_ms + 1500, cost_micros = cost_micros + 20,
                finished_at = CASE WHEN $3 IN ('done', 'failed') THEN now() END {sets}
              WHERE id = $1 AND attempt = $2 AND status = 'processing' RETURNING id, job_id, space_id, status),
            counted AS (INSERT INTO job_deltas (job_id, space_id, task_id, done, failed, cost_micros, run_ms)
              SELECT job_id, space_id, id, (status = 'done')::int, (status = 'failed')::int, 20, 1500 FROM told WHERE {finished})
            SELECT status FROM told
            """,
            task["id"],
            task["attempt"],
            status,
            *fields.values(),
        )
        return rows[0]["status"] if rows else None

    async def _as_dispatcher(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.connection.transaction():
            await self.connection.execute("SET LOCAL ROLE dispatcher")
            return await self.connection.fetch(statement, *arguments)

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """What is really there, above row-level security."""
        return await self.connection.fetch(statement, *arguments)


@pytest.fixture
async def machines(database_url: str, gateway: FastAPI, tmp_path: Path) -> AsyncGenerator[Machines]:
    """Whoever works on the tasks of this test."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "maru"})
    store = FolderStore(tmp_path / "files", "http://maru.test", [b"a key for files in tests"])
    yield Machines(connection, store)
    await connection.close()


@dataclass
class Client:
    """A person who gives jobs."""

    who: Somebody

    @property
    def http(self) -> httpx.AsyncClient:
        """The signed-in client."""
        return self.who.http

    async def upload(self, filename: str = "cat.png", space_id: str | None = None, *, complete: bool = True) -> str:
        """A stored photo's id."""
        body = {"filename": filename, "content_type": "image/png", "size": len(PNG), "space_id": space_id}
        begun = await self.http.post("/api/v1/uploads", json=body)
        assert begun.status_code == 201, begun.text
        ticket = begun.json()
        if complete:
            put = await self.http.put(_path(ticket["url"]), content=PNG, headers=ticket["headers"])
            assert put.status_code == 200, put.text
            done = await self.http.post(f"/api/v1/uploads/{ticket['id']}/complete")
            assert done.status_code == 200, done.text
        identifier: str = ticket["id"]
        return identifier

    async def job(self, **fields: Any) -> str:
        """A draft's id."""
        made = await self.http.post("/api/v1/jobs", json={"name": "many cats", "runner": "anything", **fields})
        assert made.status_code == 201, made.text
        identifier: str = made.json()["id"]
        return identifier

    async def running(self, count: int, **fields: Any) -> str:
        """A submitted job of tasks without inputs."""
        job_id = await self.job(**fields)
        await self.enqueue(job_id, count=count)
        return job_id

    async def enqueue(self, job_id: str, **body: Any) -> dict[str, Any]:
        """Give a job tasks."""
        answer = await self.http.post(f"/api/v1/jobs/{job_id}/enqueue", json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def read(self, job_id: str) -> dict[str, Any]:
        """The job as it is shown."""
        answer = await self.http.get(f"/api/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def command(self, job_id: str, name: str) -> dict[str, Any]:
        """Cancel, pause, resume or retry-failed."""
        answer = await self.http.post(f"/api/v1/jobs/{job_id}/{name}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def tasks(self, job_id: str, **query: Any) -> list[dict[str, Any]]:
        """The first tasks as they are shown."""
        answer = await self.http.get(f"/api/v1/jobs/{job_id}/tasks", params={"page_size": 500, **query})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["tasks"])


@pytest.fixture
async def client(sign_up: SignUp) -> Client:
    """Somebody with a personal space."""
    return Client(await sign_up())


@dataclass(frozen=True)
class Shared:
    """A space with its owner, an editor and a viewer, and somebody who is not in it."""

    id: str
    owner: Client
    editor: Client
    viewer: Client
    stranger: Client


@pytest.fixture
async def shared(sign_up: SignUp) -> Shared:
    """People around one space."""
    owner, editor, viewer, stranger = [
        Client(await sign_up(name)) for name in ("owner", "editor", "viewer", "stranger")
    ]
    made = await owner.http.post("/api/v1/spaces", json={"name": f"가족 {uuid4().hex[:4]}"})
    space = made.json()["id"]
    for member, role in ((editor, "editor"), (viewer, "viewer")):
        added = await owner.http.post(f"/api/v1/spaces/{space}/members", json={"email": member.who.email, "role": role})
        assert added.status_code == 201, added.text
    return Shared(space, owner, editor, viewer, stranger)


def _path(url: str) -> str:
    return httpx.URL(url).raw_path.decode()
