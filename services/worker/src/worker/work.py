"""A task in this worker's hands, and all of them together."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel
from shared.contracts.dispatch import HeldTask, LeasedTask, ReportedError

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

T = TypeVar("T")
# claimed: its input is fetched or waits; running; ran: only the upload and the report are left.
Stage = Literal["claimed", "running", "ran"]
Gone = Literal["cancelled", "lost", "stopped"]


class Result(BaseModel):
    """How a run ended, as it is kept until the dispatcher knows: a file in the task's folder, or an error."""

    output: str | None = None
    content_type: str | None = None
    filename: str | None = None
    error: ReportedError | None = None
    retryable: bool = True
    metrics: dict[str, float | int | str | bool] = {}

    @staticmethod
    def failure(code: str, detail: str, *, retryable: bool = True, lines: list[str] | None = None) -> Result:
        """A run that did not succeed."""
        error = ReportedError(
            code=code[:64], detail=detail[:4000], lines=[line[:2000] for line in (lines or [])[-100:]]
        )
        return Result(error=error, retryable=retryable)


class TaskGone(Exception):
    """The task is no longer this worker's to do: `why` says how."""

    def __init__(self, why: Gone) -> None:
        self.why = why
        super().__init__(why)


@dataclass(eq=False)
class Work:
    """One leased task. `progress` is read by the heartbeat thread; everything else belongs to the event loop."""

    task: LeasedTask
    folder: Path
    stage: Stage = "claimed"
    result: Result | None = None
    progress: float | None = None
    gone: Gone | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, why: Gone) -> None:
        """It is gone: whatever waits in `unless_gone` ends. The first reason stays."""
        if self.gone is None:
            self.gone = why
            self._ended.set()

    async def unless_gone(self, doing: Coroutine[None, None, T]) -> T:
        """The answer of `doing`, which is cancelled as soon as the task is gone. Raises `TaskGone`."""
        running = asyncio.ensure_future(doing)
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            raise TaskGone(self.gone or "lost")
        finally:
            ended.cancel()
            if not running.done():
                running.cancel()
                await asyncio.wait({running})


class Holdings:
    """Everything that this worker holds; the heartbeat thread takes snapshots."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: dict[UUID, Work] = {}

    def __len__(self) -> int:
        return len(self._works)

    def add(self, work: Work) -> None:
        """From now on its lease is extended."""
        with self._lock:
            self._works[work.task.task_id] = work

    def remove(self, work: Work) -> None:
        """Its lease is nobody's business here any more."""
        with self._lock:
            if self._works.get(work.task.task_id) is work:
                del self._works[work.task.task_id]

    def get(self, task_id: UUID) -> Work | None:
        """The task of this id, if it is held."""
        return self._works.get(task_id)

    def works(self) -> list[Work]:
        """All of them, oldest first."""
        with self._lock:
            return list(self._works.values())

    def snapshot(self) -> list[HeldTask]:
        """What a heartbeat says of them."""
        return [held(work) for work in self.works()]


def held(work: Work) -> HeldTask:
    """The task and attempt, as heartbeats and releases name them."""
    progress = None if work.progress is None else min(1.0, max(0.0, work.progress))
    return HeldTask(task_id=work.task.task_id, attempt=work.task.attempt, progress=progress)
