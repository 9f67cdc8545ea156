"""What administrators see and do: one function a call."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from shared.contracts.dispatch import Capabilities

from ui.core.api import Api


class EndpointUsage(BaseModel):
    method: str
    endpoint: str
    calls: int
    client_errors: int
    server_errors: int
    p50_ms: float
    p95_ms: float


class ModelUsage(BaseModel):
    email: str | None
    provider: str
    model: str
    events: int
    input_tokens: int
    output_tokens: int
    cost_micros: int


class Usage(BaseModel):
    """A period's calls and costs."""

    calls: int
    client_errors: int
    server_errors: int
    people: int
    p50_ms: float | None
    p95_ms: float | None
    cost_micros: int
    endpoints: list[EndpointUsage]
    models: list[ModelUsage]


class Worker(BaseModel):
    id: UUID
    worker_id: str
    token_name: str
    status: str
    processing: int = 0
    capabilities: Capabilities
    version: str | None = None
    seen_at: datetime


class Queue(BaseModel):
    """Tasks that the same workers can do; `workers` are those online that can serve it."""

    id: int
    runner: str
    requires: dict[str, Any]
    queued: int
    delayed: int
    held: int
    processing: int
    oldest_queued_at: datetime | None = None
    workers: int | None = None


class DeadLetter(BaseModel):
    """A task or a message that was given up, and why; `kind` is task, message or parked."""

    id: str
    kind: str
    name: str
    destination: str
    attempts: int
    error: str | None = None
    created_at: datetime
    can_retry: bool = True


class TokenVersion(BaseModel):
    version: int
    expires_at: datetime


class WorkerToken(BaseModel):
    """`token` is the secret, which the answer that made it holds and no other."""

    id: str
    name: str
    runners: list[str] | None = None
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    versions: list[TokenVersion] = []
    token: str | None = None


class Host(BaseModel):
    id: UUID
    label: str
    provider: str
    gpu_name: str | None = None
    status: str
    price_per_hour: float
    cost_micros: int
    created_at: datetime
    reason: str | None = None


def usage(api: Api, since: str, until: str) -> Usage:
    return Usage.model_validate(api.call("GET", "/api/v1/admin/usage", query={"from": since, "to": until}))


def workers(api: Api) -> list[Worker]:
    return [Worker.model_validate(row) for row in api.call("GET", "/api/v1/admin/workers")["workers"]]


def queues(api: Api) -> list[Queue]:
    return [Queue.model_validate(row) for row in api.call("GET", "/api/v1/admin/queues")["queues"]]


def hosts(api: Api) -> list[Host]:
    return [Host.model_validate(row) for row in api.call("GET", "/api/v1/admin/hosts")["hosts"]]


def dead_letters(api: Api) -> list[DeadLetter]:
    answer = api.call("GET", "/api/v1/admin/dead-letters")
    return [DeadLetter.model_validate(row) for row in answer["dead_letters"]]


def send_again(api: Api, letter_id: str) -> None:
    api.call("POST", f"/api/v1/admin/dead-letters/{letter_id}/retry")


def worker_tokens(api: Api) -> list[WorkerToken]:
    rows = api.call("GET", "/api/v1/admin/worker-tokens")["worker_tokens"]
    return [WorkerToken.model_validate(row) for row in rows]


def make_token(api: Api, name: str, *, days: int) -> WorkerToken:
    body = {"name": name, "expires_in_days": days}
    return WorkerToken.model_validate(api.call("POST", "/api/v1/admin/worker-tokens", body=body))


def rotate_token(api: Api, token_id: str) -> WorkerToken:
    return WorkerToken.model_validate(api.call("POST", f"/api/v1/admin/worker-tokens/{token_id}/rotate"))


def revoke_token(api: Api, token_id: str) -> None:
    api.call("DELETE", f"/api/v1/admin/worker-tokens/{token_id}")
