"""Rows as the contract shows them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from shared.contracts.conversation import Citation, Conversation, Message


def conversation_of(row: Mapping[str, Any]) -> Conversation:
    """A conversation without its messages."""
    return Conversation(
        id=row["id"],
        title=row["title"],
        space_ids=row["space_ids"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def message_of(row: Mapping[str, Any], existing: Collection[UUID] | None = None) -> Message:
    """A message; with `existing`, citations of entries outside it are `source-deleted` and their words are not shown again."""
    message = Message(
        **{name: row[name] for name in Message.model_fields if name != "citations"}, citations=row["citations"]
    )
    if existing is None:
        return message
    return message.model_copy(update={"citations": [_as_of_now(citation, existing) for citation in message.citations]})


def message_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A message as an event carries it."""
    return message_of(row).model_dump(mode="json")


def cited_entries(rows: Collection[Mapping[str, Any]]) -> set[UUID]:
    """The entries that messages cite."""
    return {UUID(citation["entry_id"]) for row in rows for citation in row["citations"]}


def _as_of_now(citation: Citation, existing: Collection[UUID]) -> Citation:
    if citation.entry_id in existing:
        return citation
    return citation.model_copy(update={"state": "source-deleted", "quote": "", "title": None})
