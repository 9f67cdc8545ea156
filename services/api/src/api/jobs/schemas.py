"""What the routes of jobs take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from shared.contracts.studio import Job, JobKind, JobStatus, Requirements, RunnerName, Task
from shared.storage.media import Kind

from api.http.values import STORABLE, Moment, PlainText, Until
from api.jobs.limits import MOST_INPUTS

JobName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE]
InputPath = Annotated[str, StringConstraints(min_length=1, max_length=512), STORABLE]
Params = dict[str, Any]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewJob(_Body):
    """A job, which is a draft until it is given inputs. What `params` takes depends on the runner: see `GET /api/v1/runners`."""

    name: JobName
    kind: JobKind = "inference"
    runner: RunnerName
    params: Params = {}
    requires: Requirements = Requirements()
    priority: int = Field(0, ge=-100, le=100, description="Among the jobs of one space the higher one goes first")
    max_attempts: int = Field(3, ge=1, le=20, description="Failures after which a task is given up")
    file_results: bool = Field(False, description="Keep each result as an entry of the space")
    space_id: UUID | None = Field(None, description="The personal space, unless given")


class JobChange(_Body):
    """What can still be changed."""

    name: JobName


class InputFilter(_Body):
    """Stored files of the job's space, the oldest first; without any condition all photos."""

    kind: Kind | None = "photo"
    content_type: Annotated[PlainText, Field(max_length=150)] | None = None
    since: Moment | None = Field(None, alias="from", description="Uploaded then or later")
    until: Until | None = Field(None, alias="to", description="Uploaded before; a bare date includes that day")
    query: Annotated[PlainText, Field(max_length=200)] | None = Field(None, description="A part of the file's name")


class NewTasks(_Body):
    """One task for each input. Exactly one of `input_paths`, `filter` and `count` says which."""

    input_paths: list[InputPath] | None = Field(
        None,
        min_length=1,
        description=f"Ids of completed uploads, or object keys, of the job's own space; {MOST_INPUTS} at most",
    )
    filter: InputFilter | None = None
    count: int | None = Field(None, ge=1, description="So many tasks without an input")
    item_params: list[Params | None] | None = Field(
        None, description="For each of `input_paths` or of `count`: what differs from the job's own `params`"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("input_paths", "filter", "count") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of input_paths, filter and count")
        if self.item_params is not None:
            wanted = self.count if self.input_paths is None else len(self.input_paths)
            if len(self.item_params) != wanted:
                raise ValueError("item_params needs one element for each of input_paths, or of count")
        return self


class Enqueued(BaseModel):
    """How many tasks were made."""

    created: int
    job: Job


class JobPage(BaseModel):
    """Jobs, the newest first."""

    jobs: list[Job]
    next_page_token: str | None


class TaskPage(BaseModel):
    """Tasks in the job's order."""

    tasks: list[Task]
    next_page_token: str | None


class JobFilter(BaseModel):
    """What a list is narrowed to."""

    status: JobStatus | None = None
    space_id: UUID | None = None

    def key(self) -> tuple[Any, ...]:
        """What a page token is bound to."""
        return tuple(self.model_dump(mode="json").values())


class ResultsLink(BaseModel):
    """An address that a browser can open without a token, until `expires_at`."""

    url: str
    expires_at: datetime


class EstimateRequest(_Body):
    """What is to be estimated."""

    runner: RunnerName
    requires: Requirements = Requirements()
    count: int = Field(ge=1, le=10_000_000)
    params: Params | None = Field(None, description="Checked, if given")
    space_id: UUID | None = Field(None, description="Whose workers are asked; the personal space, unless given")


class Estimate(BaseModel):
    """How long it may take with the workers that are online now (with one, if none is), and what it may cost; null where nothing is known yet."""

    seconds: float | None
    run_s: float | None = Field(description="Seconds of work of all machines together")
    cost_micros: int | None
    workers_online: int
    basis: Literal["same_gpu", "any_gpu", "nothing"] = Field(
        description="What was measured before: this runner on such GPUs, on others, or not at all"
    )
    tasks_measured: int


class RunnerDescription(BaseModel):
    """A runner; `params_schema` (JSON Schema) is null for one that workers brought along."""

    name: str
    description: str | None
    params_schema: dict[str, Any] | None
    workers_online: int


class Runners(BaseModel):
    """Those that come with Maru, then those that workers have brought."""

    runners: list[RunnerDescription]


class RunnerWorkers(BaseModel):
    """How many workers offer a runner."""

    runner: str
    online: int


class WorkersSummary(BaseModel):
    """How many machines there are for the caller's jobs, and nothing of whose they are."""

    online: int
    busy: int
    any_runner: int = Field(description="Workers that name no runner and take tasks of every one")
    by_runner: list[RunnerWorkers]
