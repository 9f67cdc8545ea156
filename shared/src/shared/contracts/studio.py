"""Jobs and tasks as people and programs see them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

JobKind = Literal["inference", "training"]
JobStatus = Literal["draft", "queued", "running", "paused", "done", "failed", "cancelled"]
TaskStatus = Literal["queued", "processing", "done", "failed", "cancelled"]

RunnerName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]*$")]


class Requirements(BaseModel):
    """What a worker must have to be given a task; what is left out is not asked for. Unknown names are refused."""

    model_config = ConfigDict(extra="forbid")

    gpu: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="A part of the GPU's name, such as `H200`; case does not matter",
        validation_alias=AliasChoices("gpu", "gpu_name"),
    )
    min_gpu_memory_gib: float | None = Field(
        None,
        ge=0,
        le=10_000,
        description="Memory of one GPU, in GiB",
        validation_alias=AliasChoices("min_gpu_memory_gib", "gpu_memory_gib", "gpu_memory_gb", "memory_gb"),
    )
    model: str | None = Field(
        None, min_length=1, max_length=200, description="A model that the worker has, or can fetch"
    )


class JobCounts(BaseModel):
    """How many tasks stand where."""

    queued: int = 0
    processing: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0


class TaskFailure(BaseModel):
    """Why a task did not succeed: `code` for programs, `detail` for people, and the runner's last lines where it crashed."""

    code: str
    detail: str
    lines: list[str] = []


class Job(BaseModel):
    """A job; money in micro-dollars, `run_s` in seconds of work on all machines together."""

    id: UUID
    space_id: UUID
    owner_id: UUID
    name: str
    kind: JobKind
    runner: str
    params: dict[str, Any]
    requires: Requirements
    priority: int
    max_attempts: int
    file_results: bool
    status: JobStatus
    counts: JobCounts
    total: int
    cost_micros: int
    cost: float = Field(description="`cost_micros` as US dollars")
    run_s: float
    stream_id: UUID | None
    created_at: datetime
    submitted_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class Task(BaseModel):
    """One input of a job, and what became of it. `attempt` counts claims; `failures` and `lease_losses` are limited apart."""

    id: UUID
    job_id: UUID
    seq: int
    status: TaskStatus
    attempt: int
    failures: int
    lease_losses: int
    retry_at: datetime | None = Field(None, description="When a task that failed before is tried again")
    progress: float | None
    input_path: str | None
    input_name: str | None
    input_url: str | None = Field(None, description="Relative to the api; answers 302 to a short-lived address")
    output_path: str | None
    output_name: str | None
    output_type: str | None
    output_size: int | None
    output_url: str | None = None
    error: TaskFailure | None
    worker: str | None
    metrics: dict[str, Any] | None
    cost_micros: int
    run_s: float
    entry_id: UUID | None
    created_at: datetime
    claimed_at: datetime | None
    finished_at: datetime | None
