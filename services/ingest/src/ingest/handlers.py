"""Everything that reaches this service, and what becomes of it: facts turn into commands, commands into work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from shared.outbox import enqueue_task

from ingest.forget import Forgetting
from ingest.messages import EntryDeleted, EntrySaved, EntryTouched, RefreshEntry, SpaceDeleted
from ingest.pipeline.runner import Pipeline
from ingest.pipeline.work import IndexTask
from ingest.refresh import Refreshing
from ingest.refreshing import REFRESH_QUEUE

if TYPE_CHECKING:
    from shared.db import Connection

    from ingest.ports import Ports


@dataclass(frozen=True, slots=True)
class Fact:
    """A topic we listen to: its message, and the command that follows from it."""

    message: type[BaseModel]
    queue: str
    also: Mapping[str, Any]

    async def record(self, connection: Connection, message_id: str, data: BaseModel) -> None:
        """Promise the command once for each message."""
        await enqueue_task(connection, self.queue, message_id, {**data.model_dump(mode="json"), **self.also})


@dataclass(frozen=True, slots=True)
class Command:
    """A queue we serve: its message, and the work. The work raises to be called again."""

    message: type[BaseModel]
    run: Callable[[Any], Awaitable[None]]


FACTS: Mapping[str, Fact] = {
    "entry.saved": Fact(EntrySaved, "index-entry", {}),
    "entry.changed": Fact(EntryTouched, REFRESH_QUEUE, {"vectors": True}),
    "entry.insights_corrected": Fact(EntryTouched, REFRESH_QUEUE, {"vectors": False}),
    "entry.deleted": Fact(EntryDeleted, "forget-entry", {}),
    "space.deleted": Fact(SpaceDeleted, "forget-space", {}),
}


def commands(ports: Ports) -> Mapping[str, Command]:
    """The queues with their work."""
    pipeline, refreshing, forgetting = Pipeline(ports), Refreshing(ports), Forgetting(ports)

    async def index_entry(saved: EntrySaved) -> None:
        await pipeline.index_entry(IndexTask(saved.entry_id, saved.version, saved.space_id))

    return {
        "index-entry": Command(EntrySaved, index_entry),
        REFRESH_QUEUE: Command(RefreshEntry, refreshing.refresh_entry),
        "forget-entry": Command(EntryDeleted, forgetting.forget_entry),
        "forget-space": Command(SpaceDeleted, forgetting.forget_space),
    }
