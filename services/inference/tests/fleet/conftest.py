"""A fleet beside a real Postgres and a Vast that is strict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from inference.fleet.reconcile import Fleet
from inference.fleet.settings import FleetSettings
from inference.fleet.vast import VastHosts
from shared.db import Database
from shared.ids import new_id
from shared.testing.vast_peer import VastPeer, run_vast_peer


def fleet_environment(peer_url: str, **changes: str) -> dict[str, str]:
    return {
        "MARU_FLEET": "on",
        "VAST_API_KEY": "peer-vast-key",
        "VAST_API_URL": peer_url,
        "MARU_INFERENCE_PUBLIC_URL": "https://inference.maru.example",
        "MARU_FLEET_IMAGE": "ghcr.io/maru/worker:1",
        "MARU_FLEET_MAX_HOSTS": "2",
        "MARU_FLEET_MAX_PRICE": "1",
        "MARU_FLEET_DAILY_BUDGET": "10",
        "MARU_FLEET_MONTHLY_BUDGET": "100",
    } | changes


async def without_waiting(_: float) -> None:
    await asyncio.sleep(0)


class Books:
    """The tables, as their owner sees and changes them. Time passes by moving what happened into the past."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self.connection = connection

    async def queue(self, tasks: int, runner: str = "diffusers", requires: str = "{}", waited_s: float = 60) -> int:
        """Tasks of a new space, queued; their queue's id."""
        space, job, owner = new_id(), new_id(), new_id()
        await self.connection.execute(
            "INSERT INTO maru.spaces (id, name, kind, owner_id) VALUES ($1, 'Studio', 'shared', $2)", space, owner
        )
        await self.connection.execute(
            "INSERT INTO maru.jobs (id, space_id, owner_id, name, kind, runner, requires, status, total)"
            " VALUES ($1, $2, $3, 'Job', 'inference', $4, $5, 'queued', $6)",
            job, space, owner, runner, requires, tasks,
        )  # fmt: skip
        queue = await self.connection.fetchval("SELECT maru.task_queue($1, $2)", runner, requires)
        await self.connection.executemany(
            "INSERT INTO maru.tasks (id, job_id, space_id, seq, queue_id, priority, turn, max_failures, run_at)"
            " VALUES ($1, $2, $3, $4::int, $5, 0, $4::int, 3, now() - make_interval(secs => $6))",
            [(new_id(), job, space, seq, queue, waited_s) for seq in range(tasks)],
        )
        return cast("int", queue)

    async def done(self) -> None:
        """Everything that was queued or in hand is done."""
        await self.connection.execute(
            "UPDATE maru.tasks SET status = 'done', finished_at = now(), lease_expires_at = NULL"
            " WHERE status IN ('queued', 'processing')"
        )

    async def register(self, host: asyncpg.Record, capabilities: str = '{"gpu_memory_gib": 23.6}') -> UUID:
        """The worker of a host registers; its id."""
        worker = new_id()
        await self.connection.execute(
            "INSERT INTO maru.workers (id, token_id, worker_id, capabilities) VALUES ($1, $2, 'gpu-1', $3)",
            worker, host["token_id"], capabilities,
        )  # fmt: skip
        return worker

    async def claim(self, worker: UUID, tasks: int = 1) -> None:
        """A worker is given tasks."""
        await self.connection.execute(
            "UPDATE maru.tasks SET status = 'processing', attempt = attempt + 1, worker_id = $1, claimed_at = now(),"
            " lease_expires_at = now() + interval '1 minute'"
            " WHERE id IN (SELECT id FROM maru.tasks WHERE status = 'queued' LIMIT $2)",
            worker, tasks,
        )  # fmt: skip

    async def hosts(self) -> list[asyncpg.Record]:
        return await self.connection.fetch("SELECT * FROM maru.gpu_hosts ORDER BY id")

    async def host(self) -> asyncpg.Record:
        [host] = await self.hosts()
        return host

    async def later(self, seconds: float, *, silent: bool = False) -> None:
        """So much time has passed for the hosts; their workers were heard just now unless `silent`."""
        await self.connection.execute(
            "UPDATE maru.gpu_hosts SET created_at = created_at - make_interval(secs => $1),"
            " ready_at = ready_at - make_interval(secs => $1), idle_since = idle_since - make_interval(secs => $1),"
            " drain_at = drain_at - make_interval(secs => $1), stopped_at = stopped_at - make_interval(secs => $1)",
            seconds,
        )
        if silent:
            await self.connection.execute(
                "UPDATE maru.workers SET seen_at = seen_at - make_interval(secs => $1)", seconds
            )


@pytest.fixture
def peer() -> Generator[VastPeer]:
    with run_vast_peer() as running:
        yield running


@pytest.fixture
async def books(database_url: str) -> AsyncGenerator[Books]:
    connection = await asyncpg.connect(database_url)
    yield Books(connection)
    await connection.close()


FleetWith = Callable[..., Fleet]


@pytest.fixture
async def fleet_with(peer: VastPeer, inference_database_url: str) -> AsyncGenerator[FleetWith]:
    """Fleets of this installation, one or several; `changes` are variables."""
    closing: list[Callable[[], Awaitable[None]]] = []

    def make(provider: Any = None, **changes: str) -> Fleet:
        settings = FleetSettings.from_env(fleet_environment(peer.url, **changes))
        assert settings is not None
        database = Database(inference_database_url, max_size=4)
        vast = VastHosts(settings.api_url, settings.api_key, timeout_s=2, sleep=without_waiting)
        closing.extend([database.close, vast.close])
        return Fleet(database, vast if provider is None else provider(vast), settings)

    yield make
    for close in closing:
        await close()


@pytest.fixture
def fleet(fleet_with: FleetWith) -> Fleet:
    return fleet_with()
