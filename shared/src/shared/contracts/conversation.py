"""Conversations, messages, citations."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

CitationState = Literal["verified", "misattributed", "missing", "source-deleted"]
MessageStatus = Literal["streaming", "done", "failed", "cancelled", "interrupted"]


class Citation(BaseModel):
    """A quote behind a claim; when verified, `quote` stands at `body[start:end]` of that entry version."""

    n: int
    entry_id: UUID
    version: int
    title: str | None = None
    occurred_at: datetime | None = None
    start: int
    end: int
    quote: str
    state: CitationState


class Message(BaseModel):
    """One message; `stream_id` is set while and after an answer streams."""

    id: UUID
    role: Literal["user", "assistant"]
    content: str
    status: MessageStatus
    citations: list[Citation] = []
    provider: str | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    stream_id: UUID | None = None
    created_at: datetime


class Conversation(BaseModel):
    """A conversation without its messages."""

    id: UUID
    title: str
    space_ids: list[UUID]
    created_at: datetime
    updated_at: datetime


class ConversationWithMessages(Conversation):
    """A conversation and everything said in it."""

    messages: list[Message]


class ConversationPage(BaseModel):
    """Conversations, the last used first."""

    conversations: list[Conversation]
    next_page_token: str | None
