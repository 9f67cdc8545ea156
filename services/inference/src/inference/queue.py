"""The queue's statements: each is one call of a database function, one round trip and one commit.

The functions check the worker's token, become the role that sees everybody's tasks, and answer an array of text: first why the token is refused,
or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from shared.contracts.dispatch import HeldTask
from shared.contracts.studio import Requirements

from inference.errors import problem_of

if TYPE_CHECKING:
    from shared.db import Connection, Database


class Credentials(NamedTuple):
    """A worker's token as it is stored: the id that finds it and its digest."""

    token_id: str
    sha256: bytes


class JobRef(NamedTuple):
    """A job that something happened to, and whose it is."""

    job_id: UUID
    space_id: UUID


@dataclass(frozen=True, slots=True)
class Queue:
    """Tasks that the same workers can do."""

    id: int
    runner: str
    requires: Requirements
    ready: int


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Who asks for how many tasks of which queues, the preferred first."""

    worker: UUID
    claim_id: UUID | None
    queues: Sequence[int]
    count: int
    lease_s: float
    push_turn: bool = False

    def arguments(self) -> tuple[Any, ...]:
        """As the database function takes them."""
        return (self.worker, self.claim_id, list(self.queues), self.count, self.lease_s, self.push_turn)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Tasks as JSON text (`{"tasks": […], "drain": …}`), how many they are, which queue they came from, and whose jobs they belong to."""

    document: str
    count: int
    queue: int | None
    jobs: tuple[JobRef, ...]

    @property
    def draining(self) -> bool:
        """Whether the worker is asked to end."""
        return self.document.endswith('"drain":true}')


@dataclass(frozen=True, slots=True)
class VerifiedReport:
    """A report, and whether its output (if it names one) was looked at; `run_ms` is what the worker measured."""

    task_id: UUID
    attempt: int
    done: bool
    retryable: bool
    checked: bool
    output_key: str | None
    error: dict[str, Any] | None
    metrics: dict[str, Any] | None
    run_ms: int | None


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of each report, in their order: the task's state now or a problem's code."""

    outcomes: tuple[str, ...]
    jobs: tuple[JobRef, ...]


@dataclass(frozen=True, slots=True)
class Rescued:
    """How many tasks can be claimed that could not be before, and the jobs whose tasks were lost."""

    ready: int
    jobs: tuple[JobRef, ...]


class WorkerUnknown(Exception):
    """The worker's row is gone: it was forgotten or its token deleted."""


async def claim(database: Database, credentials: Credentials, request: ClaimRequest) -> Claimed:
    """Give tasks to a worker; the same `claim_id` again answers what it was given. Raises `WorkerUnknown`."""
    answer = _accepted(await database.call("claim_tasks", *credentials, *request.arguments()))
    return _claimed(answer[1:4], _jobs(answer[4:]))


async def report(
    database: Database, credentials: Credentials, reports: Sequence[VerifiedReport], backoff_s: float
) -> Reported:
    """Take reports, each of another task; a report that was taken before gets the same answer and changes nothing."""
    answer = _accepted(await database.call("report_tasks", *credentials, *_columns(reports), backoff_s))
    return _reported(answer[1:], len(reports))


async def exchange(
    database: Database,
    credentials: Credentials,
    reports: Sequence[VerifiedReport],
    backoff_s: float,
    request: ClaimRequest,
) -> tuple[Reported, Claimed]:
    """`report` and `claim` in one transaction."""
    answer = _accepted(
        await database.call("exchange_tasks", *credentials, *_columns(reports), backoff_s, *request.arguments())
    )
    reported = _reported(answer[4:], len(reports))
    return reported, _claimed(answer[1:4], reported.jobs)


async def heartbeat(
    database: Database, credentials: Credentials, worker: str | None, tasks: Sequence[HeldTask], lease_s: float
) -> tuple[str, tuple[JobRef, ...]]:
    """Keep the leases of these tasks; the answer as JSON text, and the jobs that go on."""
    held = sorted({task.task_id: task for task in tasks}.values(), key=lambda task: task.task_id)
    answer = _accepted(
        await database.call(
            "heartbeat_tasks",
            *credentials,
            worker,
            [task.task_id for task in held],
            [task.attempt for task in held],
            [task.progress for task in held],
            lease_s,
        )
    )
    return answer[1], _jobs(answer[2:])


async def release(
    database: Database, credentials: Credentials, tasks: Sequence[HeldTask]
) -> tuple[list[str], tuple[JobRef, ...]]:
    """Hand tasks back unfinished; the ids of those that were held."""
    held = sorted({task.task_id: task for task in tasks}.values(), key=lambda task: task.task_id)
    answer = _accepted(
        await database.call(
            "release_tasks", *credentials, [task.task_id for task in held], [task.attempt for task in held]
        )
    )[1:]
    return [item for item in answer if ":" not in item], _jobs([item for item in answer if ":" in item])


async def open_task(
    database: Database, credentials: Credentials, task_id: UUID, attempt: int, upload: dict[str, Any] | None
) -> list[str | None]:
    """Space, job, input key, input name and input type of a held task; `upload` is what this attempt may upload from now on."""
    return _accepted(await database.call("open_task", *credentials, task_id, attempt, upload))[1:]


async def allowed_uploads(database: Database, credentials: Credentials, tasks: Sequence[tuple[UUID, int]]) -> list[str]:
    """For those (task, attempt) that a report would still be taken of: JSON text with the job, the space and the allowed upload."""
    return _accepted(
        await database.call(
            "allowed_uploads", *credentials, [task for task, _ in tasks], [attempt for _, attempt in tasks]
        )
    )[1:]


async def rescue(database: Database, lease_s: float, silence_s: float, limit: int = 200) -> Rescued:
    """Take back what silent workers hold and let go on what is due; several at once do the work once."""
    answer: list[str] = await database.call("rescue_tasks", lease_s, silence_s, limit)
    return Rescued(int(answer[0]), _jobs(answer[1:]))


async def ready_queues(connection: Connection, most: int) -> list[Queue]:
    """Every queue and how many tasks it has ready, counted up to `most`."""
    rows = await connection.fetch("SELECT id, runner, requires, ready FROM ready_queues($1)", most)
    return [Queue(row["id"], row["runner"], Requirements.model_validate(row["requires"]), row["ready"]) for row in rows]


async def unfolded(connection: Connection, limit: int) -> list[JobRef]:
    """Jobs with something to fold."""
    return [
        JobRef(row["id"], row["space_id"]) for row in await connection.fetch("SELECT * FROM unfolded_jobs($1)", limit)
    ]


async def push_turns(connection: Connection) -> None:
    """Bring each queue's virtual time up to the task that comes next."""
    await connection.execute("SELECT push_queue_turns()")


def _accepted(answer: list[str]) -> list[Any]:
    refusal = answer[0]
    if not refusal:
        return answer
    if refusal == "worker_unknown":
        raise WorkerUnknown
    raise problem_of(refusal) or AssertionError(refusal)


def _columns(reports: Sequence[VerifiedReport]) -> tuple[list[Any], ...]:
    return (
        [report.task_id for report in reports],
        [report.attempt for report in reports],
        [report.done for report in reports],
        [report.retryable for report in reports],
        [report.checked for report in reports],
        [report.output_key for report in reports],
        [report.error for report in reports],
        [report.metrics for report in reports],
        [report.run_ms for report in reports],
    )


def _claimed(answer: list[str], jobs: tuple[JobRef, ...]) -> Claimed:
    document, count, queue = answer
    return Claimed(document, int(count), int(queue) if queue else None, jobs)


def _reported(answer: list[str], count: int) -> Reported:
    return Reported(tuple(answer[:count]), _jobs(answer[count:]))


def _jobs(pairs: Sequence[str]) -> tuple[JobRef, ...]:
    return tuple(JobRef(UUID(job), UUID(space)) for job, _, space in (pair.partition(":") for pair in pairs))
