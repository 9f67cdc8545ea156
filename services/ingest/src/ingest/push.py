"""`/internal/push/{topic}`: facts from Pub/Sub. A push is recorded and turned into a command; the work runs when that is called."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from shared.errors import NotFound
from shared.inbox import handle_once
from shared.parking_store import park
from shared.pushes import MessageMalformed, open_envelope, reason

from ingest.handlers import FACTS

if TYPE_CHECKING:
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier
    from shared.outbox import Relay

    from ingest.handlers import Fact

CONSUMER = "ingest"

log = logging.getLogger(__name__)


class TopicUnknown(NotFound):
    """Nobody here listens to this topic."""

    code = "topic_unknown"
    default_detail = "This service has no subscription to this topic."


def push_router(verify: CallbackVerifier, database: Database, relay: Relay) -> APIRouter:
    """The route of all subscriptions."""
    router = APIRouter(prefix="/internal/push", include_in_schema=False, dependencies=[Depends(verify)])

    @router.post("/{topic}", status_code=204)
    async def push(topic: str, request: Request) -> None:
        """204 once the message is recorded, for the first time or not; one that can never be handled is set aside and also answered 204."""
        fact = FACTS.get(topic)
        if fact is None:
            raise TopicUnknown
        raw = await request.body()
        try:
            await _record(database, fact, raw)
        except MessageMalformed as malformed:
            log.warning("a message of topic %s cannot be handled and is set aside: %s", topic, malformed)
            async with database.service_tx() as connection:
                await park(connection, CONSUMER, topic, str(malformed), raw)
            return
        await relay.after_commit()

    return router


async def _record(database: Database, fact: Fact, raw: bytes) -> None:
    pushed = open_envelope(raw)
    try:
        message = fact.message.model_validate(pushed.data)
    except ValidationError as error:
        raise MessageMalformed(reason(error)) from error
    async with database.service_tx() as connection, handle_once(connection, CONSUMER, pushed.message_id) as fresh:
        if fresh:
            await fact.record(connection, pushed.message_id, message)
