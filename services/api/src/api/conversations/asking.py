"""Questions: stored, answered by a producer of their own, followed or waited for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.conversation import Message
from shared.errors import Unavailable
from shared.http.idempotency import OnceOnly
from shared.ids import new_id
from shared.streams import StreamEvent, StreamFollower
from shared.streams import store as stream_store

from api.conversations import abandoned, store
from api.conversations.answering import Answerer, Question
from api.conversations.errors import AnswerInProgress, ConversationNotFound
from api.conversations.production import LEASE_S, Production
from api.conversations.prompt import Turn
from api.conversations.reading import message_of
from api.conversations.schemas import Ids

if TYPE_CHECKING:
    from shared.db import Connection, Database, Principal, Record
    from shared.outbox import Relay
    from shared.retrieval import Passage
    from shared.streams import StreamHub

    from api.conversations.producers import Producers

_HISTORY = 20
_LONGEST_TITLE = 60


class AnswerFailed(Unavailable):
    """The answer ended in a failure; `message` holds what had arrived."""

    code = "answer_failed"
    title = "The answer failed"


@dataclass(frozen=True, slots=True)
class _Begun:
    """A question that has just been stored."""

    ids: Ids
    question: Question
    home_space_id: UUID
    ahead: asyncio.Task[list[Passage]] | None


@dataclass(frozen=True, slots=True)
class AskingService:
    """Takes questions. The answer is written whether or not anybody stays to read it."""

    database: Database
    hub: StreamHub
    relay: Relay
    answerer: Answerer
    producers: Producers

    async def ask(self, principal: Principal, conversation_id: UUID, content: str, key: str | None) -> UUID:
        """Store a question and start its answer; the answer's stream. With a key that was used before: the stream of then."""
        async with self.database.tenant_tx(principal) as connection:
            once = OnceOnly(connection, principal.user_id, key, ("messages", str(conversation_id), content))
            if (before := await once.recall()) is not None:
                return UUID(before["stream_id"])
            begun = await self._begin(connection, principal, conversation_id, content)
            await once.remember({"stream_id": str(begun.ids.stream)})
        production = Production(
            self.database,
            self.hub,
            self.relay,
            self.answerer,
            begun.ids,
            begun.question,
            begun.home_space_id,
            self.producers.closing,
            begun.ahead,
        )
        self.producers.start(production.run, f"answer-{begun.ids.answer}")
        return begun.ids.stream

    def follow(self, principal: Principal, stream_id: UUID) -> AsyncGenerator[StreamEvent]:
        """The answer's events from the first."""
        follower = StreamFollower(partial(self.database.tenant_tx, principal), self.hub)
        return follower.follow(stream_id, mine=True)

    async def wait(self, principal: Principal, stream_id: UUID) -> Message:
        """The finished answer; raises `AnswerFailed` when it failed."""
        last: StreamEvent | None = None
        async for event in self.follow(principal, stream_id):
            last = event
        if last is None or "message" not in last.data:
            raise ConversationNotFound("The conversation was deleted while it was being answered.")
        message = Message.model_validate(last.data["message"])
        if message.status == "failed":
            raise _as_problem(message)
        return message

    async def read(self, principal: Principal, message_id: UUID) -> Message:
        """One message as it stands."""
        async with self.database.tenant_tx(principal) as connection:
            row = await store.message(connection, message_id)
        if row is None:
            raise ConversationNotFound
        return message_of(row)

    async def _begin(self, connection: Connection, principal: Principal, conversation_id: UUID, content: str) -> _Begun:
        conversation = await store.find(connection, conversation_id, lock=True)
        if conversation is None:
            raise ConversationNotFound
        if (running := await abandoned.interrupt_if_dead(connection, self.hub, conversation_id)) is not None:
            raise AnswerInProgress(stream_id=str(running))
        history = await store.recent(connection, conversation_id, _HISTORY)
        ids = _new_ids(conversation_id)
        question, home = _question(principal, content, conversation, history), conversation["home_space_id"]
        ahead = self.answerer.ahead(question)
        try:
            await stream_store.create(
                connection,
                ids.stream,
                space_id=home,
                kind=abandoned.STREAM_KIND,
                subject_id=ids.answer,
                owner_id=principal.user_id,
                lease_s=LEASE_S,
            )
            await store.begin(connection, ids, principal.user_id, content, title_of(content))
        except BaseException:
            if ahead is not None:
                ahead.cancel()
            raise
        return _Begun(ids, question, home, ahead)


def title_of(question: str) -> str:
    """A title made of the question's first words."""
    line = re.sub(r"\s+", " ", question).strip()
    if len(line) <= _LONGEST_TITLE:
        return line
    cut = line.rfind(" ", _LONGEST_TITLE // 2, _LONGEST_TITLE)
    return line[: cut if cut > 0 else _LONGEST_TITLE].rstrip(" ,.;:") + "…"


def _question(principal: Principal, content: str, conversation: Record, history: list[Any]) -> Question:
    turns = [Turn(row["role"], row["content"]) for row in history]
    return Question(principal, content, tuple(conversation["space_ids"]), turns)


def _new_ids(conversation_id: UUID) -> Ids:
    question, answer = new_id(), new_id()
    while answer <= question:
        # Messages are ordered by id, and two of one millisecond by chance.
        answer = new_id()
    return Ids(conversation_id, question, answer, new_id())


def _as_problem(message: Message) -> AnswerFailed:
    error = message.error or {}
    problem = AnswerFailed(str(error.get("detail") or ""), message=message.model_dump(mode="json"))
    problem.code = str(error.get("code") or AnswerFailed.code)  # type: ignore[misc]  # the failure's own code, not the class's
    return problem
