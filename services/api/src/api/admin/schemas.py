"""Bodies of `/api/v1/admin`."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel


class ApiLog(BaseModel):
    """One call. `endpoint` is the route's template: no id, no query, no content. `error_message` is the problem's code."""

    id: int
    request_id: str
    user_id: UUID | None
    method: str
    endpoint: str
    status_code: int
    response_time_ms: float
    error_message: str | None
    created_at: datetime


class ApiLogPage(BaseModel):
    """Calls, the latest first."""

    logs: list[ApiLog]
    next_page_token: str | None = None


class EndpointUsage(BaseModel):
    """How one endpoint did."""

    method: str
    endpoint: str
    calls: int
    client_errors: int
    server_errors: int
    p50_ms: float
    p95_ms: float


class ModelUsage(BaseModel):
    """What one person used of one model; money in micro-dollars."""

    user_id: UUID
    email: str | None
    kind: str
    provider: str
    model: str
    events: int
    input_tokens: int
    output_tokens: int
    cost_micros: int


class Usage(BaseModel):
    """A period's calls and costs."""

    since: datetime
    until: datetime
    calls: int
    client_errors: int
    server_errors: int
    people: int
    p50_ms: float | None
    p95_ms: float | None
    cost_micros: int
    endpoints: list[EndpointUsage]
    models: list[ModelUsage]
