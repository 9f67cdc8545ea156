"""What a worker and the dispatcher say to each other. A worker holds one bearer token and nothing else."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AliasChoices, BaseModel, Field, field_validator

WorkerId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]
Attempt = Annotated[int, Field(ge=1, le=2**31 - 1)]
Output = Annotated[str, Field(max_length=500)]


class RunnerOffer(BaseModel):
    """A runner that a worker has; `models` are those it has at hand, `any_model` says that it can fetch others."""

    name: str = Field(min_length=1, max_length=64)
    version: str = Field("1", max_length=64)
    models: list[Annotated[str, Field(max_length=200)]] = Field([], max_length=200)
    any_model: bool = False


class Capabilities(BaseModel):
    """What a worker can do. One that names no runner is given tasks of every runner. A runner may be given by its name alone."""

    runners: list[RunnerOffer] = Field([], max_length=32)
    gpu_name: str | None = Field(None, max_length=200, validation_alias=AliasChoices("gpu_name", "gpu"))
    gpu_memory_gib: float = Field(
        0, ge=0, le=10_000, validation_alias=AliasChoices("gpu_memory_gib", "gpu_memory_gb", "memory_gb")
    )
    gpu_count: int = Field(0, ge=0, le=64)

    @field_validator("runners", mode="before")
    @classmethod
    def _names_alone(cls, value: object) -> object:
        return [{"name": one} if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


class Registration(BaseModel):
    """`POST /api/v1/worker/register`."""

    worker_id: WorkerId
    capabilities: Capabilities = Capabilities()
    version: str | None = Field(None, max_length=64)


class Registered(BaseModel):
    """How the dispatcher wants to be called."""

    worker_id: str
    lease_s: float
    heartbeat_s: float
    draining: bool


class NextTask(BaseModel):
    """`POST /api/v1/worker/next-task`. The same `claim_id` again answers the same tasks: for an answer that was lost.

    Use a new one for each claim: one whose tasks are finished or lost answers nothing.
    """

    worker_id: WorkerId
    max_tasks: int = Field(1, ge=1, le=100)
    wait_s: float = Field(0, ge=0, le=60)
    claim_id: UUID | None = None
    capabilities: Capabilities | None = None


class LeasedTask(BaseModel):
    """A task and the attempt that every later call must name."""

    task_id: UUID
    job_id: UUID
    attempt: int
    input_path: str | None
    input_name: str | None = None
    input_type: str | None = None
    input_size: int | None = None
    runner: str
    params: dict[str, Any]
    lease_expires_at: datetime


class Leased(BaseModel):
    """Tasks for a worker; `drain` asks it to finish what it has and end."""

    tasks: list[LeasedTask]
    drain: bool = False


class PresignRequest(BaseModel):
    """`POST /api/v1/worker/presign`. For an upload, type, exact size in bytes and a file name are needed.

    `parts` says that a large file may be sent in parts. The same request again answers which of them are still missing.
    """

    task_id: UUID
    attempt: Attempt
    type: Literal["download_input", "upload_output"]
    content_type: str | None = Field(None, max_length=200)
    filename: str | None = Field(None, max_length=255)
    size: int | None = Field(None, ge=1)
    parts: bool = False


class PresignedPart(BaseModel):
    """A PUT of the `size` bytes from `(number - 1) * part_size` on, with exactly these headers."""

    number: int = Field(ge=1)
    url: str
    headers: dict[str, str] = {}
    size: int = Field(ge=1)


class Presigned(BaseModel):
    """A request that may be made, with exactly these headers, until `expires_at`.

    For a large file the `parts` that are still missing, or the first of them, may be sent instead; ask again until there are none.
    """

    url: str
    method: Literal["GET", "PUT"]
    headers: dict[str, str]
    expires_at: datetime
    output_path: str | None = None
    part_size: int | None = Field(None, ge=1)
    part_count: int | None = Field(None, ge=1)
    parts: list[PresignedPart] | None = None


class HeldTask(BaseModel):
    """A task that a worker believes it holds; `progress` from 0 to 1."""

    task_id: UUID
    attempt: Attempt
    progress: float | None = Field(None, ge=0, le=1)


class Heartbeat(BaseModel):
    """`POST /api/v1/worker/heartbeat`."""

    worker_id: WorkerId | None = None
    tasks: list[HeldTask] = Field(max_length=1000)


class HeartbeatAnswer(BaseModel):
    """What became of each task that was named."""

    extended: list[UUID]
    lost: list[UUID]
    cancelled: list[UUID]
    drain: bool = False


class ReportedError(BaseModel):
    """Why a task failed, with the last lines of the runner's output."""

    code: str = Field("failed", max_length=64)
    detail: str = Field(max_length=4_000)
    lines: list[Annotated[str, Field(max_length=2_000)]] = Field([], max_length=100)


class Report(BaseModel):
    """`POST /api/v1/worker/report`. `metrics.run_s` is how long the machine worked on it."""

    task_id: UUID
    attempt: Attempt
    status: Literal["done", "failed"]
    output_path: Output | None = None
    error: ReportedError | Annotated[str, Field(max_length=4_000)] | None = None
    retryable: bool = True
    metrics: dict[str, Any] | None = None


class Reported(BaseModel):
    """What the task is now: `queued` after a failure that will be tried again."""

    task_id: UUID
    status: Literal["queued", "processing", "done", "failed", "cancelled"]


class Exchange(BaseModel):
    """`POST /api/v1/worker/exchange`: reports and the next claim in one call, for tasks that are shorter than a round trip."""

    reports: list[Report] = Field([], max_length=100)
    next: NextTask | None = None


class ReportOutcome(BaseModel):
    """One report's answer: `status` when it was accepted, the problem's `code` and `detail` when not."""

    task_id: UUID
    status: str | None = None
    code: str | None = None
    detail: str | None = None


class Exchanged(BaseModel):
    """Outcomes in the order of the reports, and what was claimed."""

    reports: list[ReportOutcome]
    tasks: list[LeasedTask]
    drain: bool = False


class Released(BaseModel):
    """`POST /api/v1/worker/release`: tasks handed back unfinished; nobody is blamed."""

    worker_id: WorkerId | None = None
    tasks: list[HeldTask] = Field(max_length=1000)


class ReleaseAnswer(BaseModel):
    """Which were handed back; the others were no longer this worker's."""

    released: list[UUID]
    lost: list[UUID]


class Drain(BaseModel):
    """`POST /api/v1/worker/drain`: the worker is ending; it is given nothing more under this name until it registers again."""

    worker_id: WorkerId
