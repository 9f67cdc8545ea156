"""What can be done with conversations."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.conversation import Conversation, ConversationPage, ConversationWithMessages
from shared.http.idempotency import OnceOnly
from shared.http.pages import PageTokenInvalid, decode_page_token, encode_page_token
from shared.ids import new_id

from api.conversations import abandoned, store
from api.conversations.errors import ConversationNotFound, SpaceNotFound
from api.conversations.reading import cited_entries, conversation_of, message_of

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.streams import StreamHub

    from api.conversations.schemas import ConversationChange, NewConversation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConversationService:
    """Conversations as their owner sees them; asking is `AskingService`."""

    database: Database
    hub: StreamHub

    async def create(self, principal: Principal, new: NewConversation, key: str | None) -> Conversation:
        """Begin a conversation."""
        async with self.database.tenant_tx(principal) as connection:
            once = OnceOnly(connection, principal.user_id, key, ("conversations", new.model_dump(mode="json")))
            if (before := await once.recall()) is not None:
                return Conversation.model_validate(before)
            await _check_spaces(connection, new.space_ids)
            row = await store.create(connection, new_id(), principal.user_id, new.title or "", new.space_ids)
            if row is None:
                raise SpaceNotFound("Your account has no personal space yet. Sign in again, or call GET /api/v1/me.")
            made = conversation_of(row)
            await once.remember(made.model_dump(mode="json"))
        return made

    async def page(self, principal: Principal, size: int, token: str | None, words: str | None) -> ConversationPage:
        """A page of conversations, the last used first."""
        before = decode_page_token(token, 2, [words])
        async with self.database.tenant_tx(principal) as connection:
            rows = await store.page(connection, _position(before), size + 1, words)
        shown = rows[:size]
        more = len(rows) > size
        following = encode_page_token([shown[-1]["updated_at"].isoformat(), shown[-1]["id"]], [words]) if more else None
        return ConversationPage(conversations=[conversation_of(row) for row in shown], next_page_token=following)

    async def read(self, principal: Principal, conversation_id: UUID) -> ConversationWithMessages:
        """A conversation with everything said; citations of entries that are gone are marked as such."""
        async with self.database.tenant_tx(principal) as connection:
            row = await _found(connection, conversation_id)
            await abandoned.interrupt_if_dead(connection, self.hub, conversation_id)
            rows = await store.messages(connection, conversation_id)
            existing = await store.existing_entries(connection, list(cited_entries(rows)))
        said = [message_of(message, existing) for message in rows]
        return ConversationWithMessages(**conversation_of(row).model_dump(), messages=said)

    async def change(self, principal: Principal, conversation_id: UUID, wanted: ConversationChange) -> Conversation:
        """Rename it, or point it at other spaces."""
        async with self.database.tenant_tx(principal) as connection:
            await _check_spaces(connection, wanted.space_ids or [])
            row = await store.change(connection, conversation_id, wanted.title, wanted.space_ids)
        if row is None:
            raise ConversationNotFound
        return conversation_of(row)

    async def delete(self, principal: Principal, conversation_id: UUID) -> None:
        """Forget it; an answer that is being written stops."""
        async with self.database.tenant_tx(principal) as connection:
            streams = await store.delete(connection, conversation_id)
        if streams is None:
            raise ConversationNotFound
        for stream_id in streams:
            self.hub.cancel(stream_id)
            self.hub.wake(stream_id)


async def _found(connection: Connection, conversation_id: UUID) -> Record:
    row = await store.find(connection, conversation_id)
    if row is None:
        raise ConversationNotFound
    return row


async def _check_spaces(connection: Connection, spaces: list[UUID]) -> None:
    if spaces and not await store.all_readable(connection, spaces):
        raise SpaceNotFound


def _position(parts: list[str] | None) -> Any:
    from datetime import datetime

    if parts is None:
        return None
    try:
        return datetime.fromisoformat(parts[0]), UUID(parts[1])
    except ValueError as error:
        raise PageTokenInvalid from error
