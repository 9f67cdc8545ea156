"""Who may do what: members look, owners and editors command, for everybody else there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from api.jobs import store
from api.jobs.errors import JobNotFound, SpaceNotFound, SpaceReadOnly

if TYPE_CHECKING:
    from shared.db import Connection, Record


async def writable_space(connection: Connection, space_id: UUID | None) -> UUID:
    """The space to write to, the caller's personal one when None."""
    place = await store.place(connection, space_id)
    if place is None:
        raise SpaceNotFound
    if place["role"] == "viewer":
        raise SpaceReadOnly
    found: UUID = place["id"]
    return found


async def readable_space(connection: Connection, space_id: UUID | None) -> UUID:
    """The space to look from, the caller's personal one when None."""
    place = await store.place(connection, space_id)
    if place is None:
        raise SpaceNotFound
    found: UUID = place["id"]
    return found


async def locked_job(connection: Connection, job_id: UUID) -> Record:
    """The job's row, locked; a viewer is told that they are one, a stranger nothing."""
    if (job := await store.lock(connection, job_id)) is not None:
        return job
    raise SpaceReadOnly if await store.visible(connection, job_id) else JobNotFound
