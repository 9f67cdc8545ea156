"""The SQL of workers: who they are and what they can do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from shared.contracts.dispatch import Capabilities
from shared.ids import new_id

from inference.errors import problem_of

if TYPE_CHECKING:
    from shared.db import Connection, Database

    from inference.queue import Credentials


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker under the name that it gave itself."""

    id: UUID
    draining: bool
    capabilities: Capabilities


async def enrol(
    database: Database,
    credentials: Credentials,
    worker_id: str,
    capabilities: Capabilities | None,
    version: str | None = None,
    *,
    register: bool = False,
) -> Worker:
    """Make a worker known or find it; what is None stays as it was. `register` also ends an earlier drain."""
    told = None if capabilities is None else capabilities.model_dump(mode="json")
    answer = await database.call("enrol_worker", *credentials, new_id(), worker_id, told, version, register)
    if refused := problem_of(answer[0]):
        raise refused
    return Worker(UUID(answer[1]), answer[2] == "true", Capabilities.model_validate(json.loads(answer[3])))


async def drain(database: Database, credentials: Credentials, worker_id: str) -> None:
    """Give this worker nothing more until it registers again."""
    if refused := problem_of((await database.call("drain_worker", *credentials, worker_id))[0]):
        raise refused


async def forget_old(connection: Connection) -> None:
    """Drop workers that nobody has heard of for a month; tasks keep the name of theirs."""
    await connection.execute("DELETE FROM workers WHERE seen_at < now() - interval '30 days'")
