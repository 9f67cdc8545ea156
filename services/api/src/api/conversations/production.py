"""Writes one answer to its end, whatever that is: done, failed, cancelled or interrupted."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from shared.db import Connection
from shared.errors import Problem, Unavailable
from shared.ids import new_id
from shared.llm import ModelError
from shared.outbox import emit_event
from shared.streams import StreamWriter

from api.conversations import store
from api.conversations.answering import Answerer, Question
from api.conversations.outcome import Draft
from api.conversations.reading import message_json

if TYPE_CHECKING:
    from shared.db import Database
    from shared.outbox import Relay
    from shared.retrieval import Passage
    from shared.streams import StreamHub

    from api.conversations.schemas import Ids

log = logging.getLogger(__name__)

LEASE_S = 20.0
INTERRUPTED = {
    "code": "interrupted",
    "detail": "The process that was writing the answer stopped. What had arrived is kept; ask again.",
    "retryable": True,
}
_FAILED = {
    "code": "answer_failed",
    "detail": "The answer failed on our side. What had arrived is kept; ask again.",
    "retryable": True,
}
_STORING_ATTEMPTS = 5

Status = Literal["done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True, slots=True)
class End:
    """How an answer ended."""

    status: Status
    event: str
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Production:
    """One answer in the making. `closing` is set when this process has to go."""

    database: Database
    hub: StreamHub
    relay: Relay
    answerer: Answerer
    ids: Ids
    question: Question
    home_space_id: UUID
    closing: asyncio.Event
    ahead: asyncio.Task[list[Passage]] | None = None

    async def run(self) -> None:
        """From `start` to the terminal event."""
        writer = StreamWriter(
            self.ids.stream, lambda: self.database.tenant_tx(self.question.principal), self.hub, lease_s=LEASE_S
        )
        async with writer:
            writer.emit(
                "start",
                {
                    "stream_id": str(self.ids.stream),
                    "message_id": str(self.ids.answer),
                    "question_id": str(self.ids.question),
                    "conversation_id": str(self.ids.conversation),
                },
            )
            draft = Draft(writer, self.question.language)
            end = await self._compose(writer, draft)
            await self._store(writer, draft, end)

    async def _compose(self, writer: StreamWriter, draft: Draft) -> End:
        """Let the answer be written until it ends or somebody ends it."""
        writing = asyncio.create_task(self.answerer.answer(self.question, draft, self.ahead))
        cancelled = asyncio.create_task(writer.cancelled.wait())
        closing = asyncio.create_task(self.closing.wait())
        try:
            await asyncio.wait({writing, cancelled, closing}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                return _end_of(writing)
            if writer.cancelled.is_set():
                return End("cancelled", "cancelled")
            return End("interrupted", "interrupted", INTERRUPTED)
        finally:
            for task in (writing, cancelled, closing):
                task.cancel()
            await asyncio.gather(writing, cancelled, closing, return_exceptions=True)

    async def _store(self, writer: StreamWriter, draft: Draft, end: End) -> None:
        """Store result and end together; a database that is away for a moment gets some more chances, then the sweep takes over."""
        for attempt in range(1, _STORING_ATTEMPTS + 1):
            try:
                async with self.database.tenant_tx(self.question.principal) as connection:
                    ended = await self._finish(connection, writer, draft, end)
                break
            except Unavailable:
                if attempt == _STORING_ATTEMPTS:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
        if ended:
            writer.announce()
            await self.relay.after_commit()

    async def _finish(self, connection: Connection, writer: StreamWriter, draft: Draft, end: End) -> bool:
        row = await store.finish(connection, self.ids.answer, draft.fields(end.status, end.error))
        if row is None:
            return False
        data: dict[str, Any] = {"message": message_json(row)}
        if end.error is not None:
            data = end.error | data
        if not await writer.finish(connection, end.status, end.event, data):
            return False
        if end.status == "done" and draft.cache_key is not None:
            await store.cache(connection, self.question.principal.user_id, draft.cache_key, draft.as_cached())
        if draft.usage.calls:
            await store.record_usage(connection, self._usage_row(draft))
        body = {
            "message_id": str(self.ids.answer),
            "conversation_id": str(self.ids.conversation),
            "space_id": str(self.home_space_id),
            "status": end.status,
        }
        await emit_event(connection, "answer.finished", self.ids.conversation, body)
        return True

    def _usage_row(self, draft: Draft) -> dict[str, Any]:
        return {
            "id": new_id(),
            "space_id": self.home_space_id,
            "user_id": self.question.principal.user_id,
            "provider": draft.provider,
            "model": draft.model,
            "input_tokens": draft.usage.input_tokens,
            "output_tokens": draft.usage.output_tokens,
            "cost_micros": draft.usage.cost_micros,
            "subject_id": self.ids.answer,
        }


def _end_of(writing: asyncio.Task[None]) -> End:
    error = writing.exception()
    if error is None:
        return End("done", "done")
    if isinstance(error, ModelError):
        return End("failed", "error", {"code": error.code, "detail": error.detail, "retryable": error.retryable})
    log.error("an answer failed", exc_info=error)
    if isinstance(error, Problem):
        return End("failed", "error", {"code": error.code, "detail": error.detail, "retryable": True})
    return End("failed", "error", _FAILED)
