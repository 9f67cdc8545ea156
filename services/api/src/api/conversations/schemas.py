"""What conversations take and pass around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.http.values import STORABLE

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), STORABLE]
Asked = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=8000), STORABLE]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewConversation(_Body):
    """Without a title the first question becomes one; without spaces everything the person may read is asked."""

    title: Title | None = None
    space_ids: list[UUID] = Field(default_factory=list, max_length=50)


class ConversationChange(_Body):
    """What is left out stays."""

    title: Title | None = None
    space_ids: list[UUID] | None = Field(default=None, max_length=50)


class NewMessage(_Body):
    """A question."""

    content: Asked


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of one question and its answer, chosen before anything is stored."""

    conversation: UUID
    question: UUID
    answer: UUID
    stream: UUID
