"""Gives a job its tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.http.idempotency import OnceOnly
from shared.ids import new_id
from shared.outbox import emit_event
from shared.storage.media import MEDIA_TYPES

from api.jobs import commanding, inputs_store, tasks_store
from api.jobs.errors import InputsNotFound, InputsNotReady, NothingMatches, TooManyInputs, TooManyUnfinishedTasks
from api.jobs.limits import MOST_INPUTS, MOST_UNFINISHED
from api.jobs.params import check_item_params
from api.jobs.schemas import Enqueued
from api.jobs.service import seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay
    from shared.streams import StreamHub

    from api.jobs.schemas import InputFilter, NewTasks

_RETRY_AFTER_S = 60
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_UPLOAD_KEY = re.compile(rf"spaces/{_UUID}/({_UUID})/original")
_OUTPUT_KEY = re.compile(rf"spaces/{_UUID}/jobs/{_UUID}/({_UUID})/[0-9]+/output")


@dataclass(frozen=True, slots=True)
class EnqueueService:
    """Makes tasks, all of a call or none."""

    database: Database
    relay: Relay
    hub: StreamHub

    async def enqueue(self, principal: Principal, job_id: UUID, new: NewTasks, key: str | None) -> Enqueued:
        """One task for each input, in their order."""
        _check_number(len(new.input_paths or ()) or new.count or 0)
        async with self.database.tenant_tx(principal) as connection:
            request = ("enqueue", job_id, new.model_dump(mode="json", exclude_none=True))
            once = OnceOnly(connection, principal.user_id, key, request)
            if (before := await once.recall()) is not None:
                return Enqueued.model_validate(before)
            job = await commanding.begin(connection, job_id)
            status = commanding.obeyed(job, "enqueue")
            created = await _add(connection, job, new)
            stream_id = await commanding.end(connection, job, status, added=created)
            answer = Enqueued(created=created, job=await seen(connection, job_id))
            await once.remember(answer.model_dump(mode="json"))
        await self.relay.after_commit()
        if stream_id is not None:
            self.hub.wake(stream_id)
        return answer


async def _add(connection: Connection, job: Record, new: NewTasks) -> int:
    paths = await _paths(connection, job, new)
    if new.item_params is not None:
        check_item_params(job["runner"], job["params"], new.item_params)
    await _check_room(connection, job["space_id"], len(paths))
    rows = await _rows(connection, job, paths, new.item_params or [None] * len(paths))
    written = await inputs_store.insert(connection, rows)
    _check_inputs(written["missing"], written["unready"])
    facts = {"job_id": str(job["id"]), "space_id": str(job["space_id"]), "runner": job["runner"]}
    await emit_event(connection, "job.submitted", job["id"], facts | {"tasks": len(paths)})
    await tasks_store.wake_workers(connection)
    return len(paths)


async def _paths(connection: Connection, job: Record, new: NewTasks) -> Sequence[str | None]:
    if new.filter is not None:
        found = await _matching(connection, job["space_id"], new.filter)
        _check_number(len(found))
        return found
    return new.input_paths or [None] * (new.count or 0)


async def _matching(connection: Connection, space_id: UUID, wanted: InputFilter) -> list[str | None]:
    types = [media.name for media in MEDIA_TYPES if media.kind == wanted.kind] if wanted.kind else None
    found = await inputs_store.matching(connection, space_id, wanted, types, MOST_INPUTS + 1)
    if not found:
        raise NothingMatches
    return [str(upload_id) for upload_id in found]


async def _rows(
    connection: Connection, job: Record, paths: Sequence[str | None], params: Sequence[dict[str, Any] | None]
) -> inputs_store.TaskRows:
    queue_id = await tasks_store.queue(connection, job["runner"], job["requires"])
    priority, paused = job["priority"], job["status"] == "paused"
    base = 0 if paused else await tasks_store.place(connection, job["space_id"], queue_id, priority, len(paths))
    named = [_named(path) for path in paths]
    return inputs_store.TaskRows(
        job_id=job["id"],
        space_id=job["space_id"],
        queue_id=queue_id,
        priority=priority,
        max_failures=job["max_attempts"],
        status="held" if paused else "queued",
        first_seq=job["total"],
        base_turn=base,
        ids=[new_id() for _ in paths],
        paths=paths,
        uploads=[upload for upload, _ in named],
        outputs=[output for _, output in named],
        params=params,
    )


def _named(path: str | None) -> tuple[UUID | None, UUID | None]:
    """The upload or the task that an input path names; nothing for one that names neither."""
    if path is None:
        return None, None
    if found := _UPLOAD_KEY.fullmatch(path):
        return UUID(found[1]), None
    if found := _OUTPUT_KEY.fullmatch(path):
        return None, UUID(found[1])
    try:
        return UUID(path), None
    except ValueError:
        return None, None


def _check_number(count: int) -> None:
    if count > MOST_INPUTS:
        raise TooManyInputs(
            f"One call takes {MOST_INPUTS:,} inputs; this names {count:,} or more. Send them in several calls."
        )


async def _check_room(connection: Connection, space_id: UUID, count: int) -> None:
    unfinished = await inputs_store.unfinished(connection, space_id)
    if unfinished + count > MOST_UNFINISHED:
        raise TooManyUnfinishedTasks(
            f"A space may have {MOST_UNFINISHED:,} unfinished tasks; {unfinished:,} are there and {count:,} would come. "
            "Wait until some are done, or cancel a job.",
            retry_after=_RETRY_AFTER_S,
        )


def _check_inputs(missing: Sequence[str], unready: Sequence[str]) -> None:
    if missing:
        raise InputsNotFound(
            f"{missing[0]} is no upload or result of the job's space. Nothing was enqueued; correct the inputs in `inputs`.",
            inputs=list(missing),
        )
    if unready:
        raise InputsNotReady(
            f"The upload {unready[0]} is not complete. Nothing was enqueued; complete the uploads in `inputs` first.",
            inputs=list(unready),
        )
