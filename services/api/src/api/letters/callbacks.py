"""`/internal/push/dead-letters`: what a subscription of Pub/Sub gave up without an answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, Request
from shared.inbox import handle_once
from shared.parking_store import park
from shared.publishing.outbox_store import keep_dead_letter
from shared.pushes import MessageMalformed, Push, open_envelope

if TYPE_CHECKING:
    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier

TOPIC = "dead-letters"
_SOURCE, _COUNT = "CloudPubSubDeadLetterSourceSubscription", "CloudPubSubDeadLetterSourceDeliveryCount"
_SAID = "CloudPubSubDeadLetterSourceDeliveryErrorMessage"

log = logging.getLogger(__name__)


def dead_letter_router(verify: CallbackVerifier, database: Database) -> APIRouter:
    """The route of the topic's one subscription, which gives nothing up itself."""
    router = APIRouter(prefix="/internal/push", include_in_schema=False, dependencies=[Depends(verify)])

    @router.post(f"/{TOPIC}", status_code=204)
    async def given_up(request: Request) -> None:
        """204 once it is kept, for the first time or not; what is no dead letter is set aside and also answered 204."""
        raw = await request.body()
        try:
            pushed = open_envelope(raw)
            await _keep(database, pushed)
        except MessageMalformed as malformed:
            log.warning("a message of topic %s cannot be kept and is set aside: %s", TOPIC, malformed)
            async with database.service_tx() as connection:
                await park(connection, "api", TOPIC, str(malformed), raw)

    return router


async def _keep(database: Database, pushed: Push) -> None:
    source, count = pushed.attributes.get(_SOURCE, ""), pushed.attributes.get(_COUNT, "0")
    if not source:
        raise MessageMalformed(f"no dead letter: attribute {_SOURCE} is missing")
    attempts = int(count) if count.isdecimal() and len(count) < 7 else 0
    said = pushed.attributes.get(_SAID) or f"no acknowledgement in {attempts} attempts"
    # By Pub/Sub's id: the fact's own would hide that it has been given up a second time, after another try.
    async with database.service_tx() as connection, handle_once(connection, TOPIC, pushed.delivery_id) as fresh:
        if fresh:
            log.error("%s gave a message up: %s", source, said)
            await keep_dead_letter(
                connection, pushed.message_id, "push", source, pushed.key, pushed.data, attempts, said
            )
