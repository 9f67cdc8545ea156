"""Bodies of `/api/v1/admin` about workers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from shared.contracts.dispatch import Capabilities
from shared.contracts.studio import RunnerName

from api.http.names import one_line

TokenName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(one_line)
]
TokenId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{12}$")]
Days = Annotated[int, Field(ge=1, le=3650)]

USUAL_DAYS = 90
USUAL_GRACE_HOURS = 24


def _each_once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


Spaces = Annotated[list[UUID], Field(min_length=1, max_length=200), AfterValidator(_each_once)]
Runners = Annotated[list[RunnerName], Field(min_length=1, max_length=32), AfterValidator(_each_once)]


class NewWorkerToken(BaseModel):
    """A token to be made. What is left out is not limited: every space, every runner."""

    model_config = ConfigDict(extra="forbid")

    name: TokenName
    expires_in_days: Days = USUAL_DAYS
    space_ids: Spaces | None = None
    runners: Runners | None = None
    price_per_hour: float = Field(
        0, ge=0, le=10_000, description="What a worker with this token costs, in US dollars an hour"
    )


class Rotation(BaseModel):
    """How to change a token's secret."""

    model_config = ConfigDict(extra="forbid")

    expires_in_days: Days = USUAL_DAYS
    grace_hours: float = Field(
        USUAL_GRACE_HOURS, ge=0, le=720, description="For how long the version before stays valid"
    )


class TokenVersion(BaseModel):
    """One secret of a token, valid until it expires."""

    version: int
    created_at: datetime
    expires_at: datetime


class WorkerToken(BaseModel):
    """A token without its secret; `versions` are those that are valid now."""

    id: str
    name: str
    space_ids: list[UUID] | None
    runners: list[str] | None
    price_per_hour: float
    created_by: UUID | None
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    versions: list[TokenVersion]


class MadeWorkerToken(WorkerToken):
    """A token with its newest secret, which is told this once."""

    token: str


class WorkerTokenList(BaseModel):
    """Tokens, the newest first."""

    worker_tokens: list[WorkerToken]


class TaskInHand(BaseModel):
    """A task that a worker holds: which, not what."""

    task_id: UUID
    job_id: UUID
    runner: str
    attempt: int
    progress: float | None
    claimed_at: datetime | None
    lease_expires_at: datetime


class WorkerHost(BaseModel):
    """The rented machine on which a worker runs."""

    id: UUID
    label: str
    provider: str
    gpu_name: str | None


class Worker(BaseModel):
    """A worker. `processing` counts its tasks; `tasks` names at most twenty of them."""

    id: UUID
    worker_id: str
    token_id: str
    token_name: str
    status: Literal["idle", "busy", "draining", "offline"]
    online: bool
    draining: bool
    capabilities: Capabilities
    version: str | None
    processing: int
    tasks: list[TaskInHand]
    host: WorkerHost | None
    registered_at: datetime
    seen_at: datetime
    stopped_at: datetime | None


class WorkerList(BaseModel):
    """Workers, those seen last first."""

    workers: list[Worker]


class Queue(BaseModel):
    """Tasks that the same workers can do. Counts only; `workers` are those online that can serve it."""

    id: int
    runner: str
    requires: dict[str, Any]
    queued: int
    delayed: int
    held: int
    processing: int
    spaces_waiting: int
    oldest_queued_at: datetime | None
    oldest_wait_s: float | None
    workers: int


class QueueList(BaseModel):
    """Queues that hold anything, the fullest first."""

    queues: list[Queue]


class Host(BaseModel):
    """A machine that was rented, what for and what it cost."""

    id: UUID
    provider: str
    provider_id: str | None
    label: str
    gpu_name: str | None
    gpu_memory_gib: float
    price_per_hour: float
    status: Literal["starting", "running", "stopping", "stopped"]
    created_at: datetime
    ready_at: datetime | None
    idle_since: datetime | None
    drain_at: datetime | None
    stopped_at: datetime | None
    reason: str | None
    cost_micros: int


class HostList(BaseModel):
    """Hosts, the newest first."""

    hosts: list[Host]
