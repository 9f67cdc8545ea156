"""Studio: what can be run, on which files, and what became of it; one function a call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from shared.contracts.studio import Job, Task

from ui.core.api import Api


class Runner(BaseModel):
    """What can be run. `params_schema` is None for one that workers brought along: its settings are not known here."""

    name: str
    description: str | None = None
    params_schema: dict[str, Any] | None = None
    workers_online: int = 0


class StoredFile(BaseModel):
    """A file of the person's that a job may take."""

    id: UUID
    space_id: UUID
    filename: str
    content_type: str
    size: int
    content_url: str
    thumbnail_url: str | None = None
    created_at: datetime


class StoredFiles(BaseModel):
    """One page; `total` counts everything that matches."""

    uploads: list[StoredFile]
    total: int | None = None
    next_page_token: str | None = None


class JobPage(BaseModel):
    jobs: list[Job]
    next_page_token: str | None = None


class TaskPage(BaseModel):
    tasks: list[Task]
    next_page_token: str | None = None


class Estimate(BaseModel):
    """What a job would take, from what the same runner took before; None where nothing is known."""

    seconds: float | None = None
    cost_micros: int | None = None
    workers_online: int = 0


class SkippedResult(BaseModel):
    seq: int
    detail: str


class ResultFiling(BaseModel):
    """How far a job's results are kept as entries."""

    file_results: bool
    done: int
    filed: int
    waiting: int
    skipped: int
    reasons: list[SkippedResult] = []


class RunnerWorkers(BaseModel):
    runner: str
    online: int


class Workers(BaseModel):
    """Who is there to work; `any_runner` of them take tasks of every runner."""

    online: int = 0
    busy: int = 0
    any_runner: int = 0
    by_runner: list[RunnerWorkers] = []

    def able(self, runner: str) -> int:
        """How many can do tasks of this runner."""
        return self.any_runner + sum(row.online for row in self.by_runner if row.runner == runner)


@dataclass(frozen=True)
class FileFilter:
    """Stored photos of one space, narrowed by a part of the name and by when they came."""

    space_id: str
    name: str = ""
    since: str = ""
    until: str = ""

    def conditions(self) -> dict[str, str]:
        """As the gateway takes them, also to make a task of everything that matches."""
        given = {"kind": "photo", "query": self.name, "from": self.since, "to": self.until}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class JobDraft:
    """A job about to be submitted; `key` is kept with the form so that a second press submits it once."""

    name: str
    runner: str
    params: Mapping[str, Any]
    priority: int
    file_results: bool
    space_id: str
    key: str


def runners(api: Api) -> list[Runner]:
    return [Runner.model_validate(row) for row in api.call("GET", "/api/v1/runners")["runners"]]


def stored_files(api: Api, narrowed: FileFilter, *, size: int, page_token: str = "") -> StoredFiles:
    query: dict[str, str | int | list[str] | None] = {"space_id": narrowed.space_id, "page_size": size}
    query |= narrowed.conditions() | {"page_token": page_token}
    return StoredFiles.model_validate(api.call("GET", "/api/v1/uploads", query=query))


def estimate(api: Api, draft: JobDraft, count: int) -> Estimate:
    body = {"runner": draft.runner, "params": draft.params, "count": count, "space_id": draft.space_id}
    return Estimate.model_validate(api.call("POST", "/api/v1/jobs/estimate", body=body))


def able_workers(api: Api, job: Job) -> int:
    """How many of those that are online would be given a task of this job, by its runner and by all that it needs."""
    body = {
        "runner": job.runner,
        "params": job.params,
        "requires": job.requires.model_dump(mode="json"),
        "count": 1,
        "space_id": str(job.space_id),
    }
    return Estimate.model_validate(api.call("POST", "/api/v1/jobs/estimate", body=body)).workers_online


def submit(api: Api, draft: JobDraft, inputs: Sequence[str] | FileFilter) -> Job:
    """Make the job and one task for each input, or for everything that matches. The key makes a repeat harmless."""
    body: dict[str, Any] = {
        "name": draft.name,
        "kind": "inference",
        "runner": draft.runner,
        "params": draft.params,
        "priority": draft.priority,
        "file_results": draft.file_results,
        "space_id": draft.space_id,
    }
    given = {"filter": inputs.conditions()} if isinstance(inputs, FileFilter) else {"input_paths": list(inputs)}
    made = api.call("POST", "/api/v1/jobs", body=body, key=f"{draft.key}-job")
    answer = api.call("POST", f"/api/v1/jobs/{made['id']}/enqueue", body=given, key=f"{draft.key}-tasks")
    return Job.model_validate(answer["job"])


def jobs(api: Api, *, size: int, page_token: str = "") -> JobPage:
    query: dict[str, str | int | list[str] | None] = {"page_size": size, "page_token": page_token}
    return JobPage.model_validate(api.call("GET", "/api/v1/jobs", query=query))


def job(api: Api, job_id: str) -> Job:
    return Job.model_validate(api.call("GET", f"/api/v1/jobs/{job_id}"))


def tasks(api: Api, job_id: str, *, status: str = "", size: int, page_token: str = "") -> TaskPage:
    query: dict[str, str | int | list[str] | None] = {"status": status, "page_size": size, "page_token": page_token}
    return TaskPage.model_validate(api.call("GET", f"/api/v1/jobs/{job_id}/tasks", query=query))


def command(api: Api, job_id: str, name: str) -> None:
    """pause, resume, cancel or retry-failed; one that is already obeyed changes nothing."""
    api.call("POST", f"/api/v1/jobs/{job_id}/{name}")


def delete(api: Api, job_id: str) -> None:
    """The job and its results; the photos it was made from stay."""
    api.call("DELETE", f"/api/v1/jobs/{job_id}")


def retry_task(api: Api, task_id: str) -> None:
    api.call("POST", f"/api/v1/tasks/{task_id}/retry")


def results_link(api: Api, job_id: str) -> str:
    """A link to all results as one zip, good for some minutes and for whoever has it."""
    return str(api.call("POST", f"/api/v1/jobs/{job_id}/results-link")["url"])


def result_filing(api: Api, job_id: str) -> ResultFiling:
    return ResultFiling.model_validate(api.call("GET", f"/api/v1/jobs/{job_id}/file-results"))


def file_results(api: Api, job_id: str) -> None:
    """Keep every result as an entry, each once; those that were left out are tried again."""
    api.call("POST", f"/api/v1/jobs/{job_id}/file-results")


def workers(api: Api) -> Workers:
    return Workers.model_validate(api.call("GET", "/api/v1/workers/summary"))
