"""Bodies of `/api/v1/admin/dead-letters`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

Kind = Literal["task", "message", "parked"]
LetterId = Annotated[str, StringConstraints(pattern=r"^(task|parked)-[0-9a-f-]{36}$|^message-[1-9][0-9]{0,17}$")]


class DeadLetter(BaseModel):
    """What was given up. `task`: a task that failed; `message`: one that a service kept refusing; `parked`: one that nobody understands.

    It tells ids and codes. What the input was, and what the runner said, only members of the space may see.
    """

    id: str
    kind: Kind
    name: str = Field(description="The runner of a task, the topic or queue of a message")
    destination: str = Field(description="Where it was to be done: `worker`, or the service")
    attempts: int
    error: str | None = Field(description="A task's code; for messages the cause")
    created_at: datetime = Field(description="When it was given up")
    job_id: UUID | None = None
    space_id: UUID | None = None
    can_retry: bool


class DeadLetterPage(BaseModel):
    """The latest first."""

    dead_letters: list[DeadLetter]
    next_page_token: str | None = None
