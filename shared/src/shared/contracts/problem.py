"""The body of every error."""

from pydantic import BaseModel, ConfigDict


class ProblemDocument(BaseModel):
    """RFC 9457 problem details; some errors add fields of their own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
