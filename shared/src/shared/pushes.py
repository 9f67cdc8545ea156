"""Pub/Sub pushes, opened: what every service that listens to facts has to read."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from shared.deliveries import REDELIVER

if TYPE_CHECKING:
    from pydantic import ValidationError

    from shared.deliveries import Route


class MessageMalformed(ValueError):
    """It will be as wrong tomorrow."""


@dataclass(frozen=True, slots=True)
class Push:
    """A push: its message's id and the fact itself.

    `message_id` is the id of the promise where the publisher says it, because a promise that is published twice has two ids of Pub/Sub's, of which
    `delivery_id` is one.
    """

    message_id: str
    data: dict[str, Any]
    delivery_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None


def open_envelope(raw: bytes) -> Push:
    """Read a push envelope; raises `MessageMalformed` with what is wrong."""
    try:
        message = json.loads(raw)["message"]
        attributes = message.get("attributes") or {}
        delivery_id = message.get("messageId") or message["message_id"]
        message_id = attributes.get("event_id") or delivery_id
        key = message.get("orderingKey") or attributes.get("key")
        data = json.loads(base64.b64decode(message["data"], validate=True))
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error, RecursionError) as error:
        raise MessageMalformed(f"not a push envelope: {type(error).__name__}") from error
    if not (_names(message_id) and _names(delivery_id)) or not isinstance(data, dict):
        raise MessageMalformed("not a push envelope: no message id, or data that is no object")
    if not all(isinstance(value, str) for value in attributes.values()) or not isinstance(key, str | None):
        raise MessageMalformed("not a push envelope: attributes are text")
    return Push(message_id, data, delivery_id, attributes, key)


def envelope(
    data: bytes,
    *,
    message_id: str,
    subscription: str,
    attributes: Mapping[str, str],
    key: str | None,
    published_at: datetime,
    attempt: int,
) -> bytes:
    """A push as Pub/Sub makes it."""
    published = published_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    message: dict[str, Any] = {
        "data": base64.b64encode(data).decode(),
        "attributes": dict(attributes),
        "messageId": message_id,
        "message_id": message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if key is not None:
        message["orderingKey"] = key
    return json.dumps({"message": message, "subscription": subscription, "deliveryAttempt": attempt}).encode()


def call_of(route: Route, body: str, routes: Mapping[str, Route]) -> tuple[Route, bytes]:
    """Whom a command of the queue `route` calls, and with what: for `redeliver` that is the subscription that `body` names, with a push."""
    if route.name != REDELIVER:
        return route, body.encode()
    try:
        wish = json.loads(body)
        target, event_id, data = routes[wish["subscription"]], str(wish["event_id"]), wish["data"]
    except (KeyError, TypeError, ValueError) as error:
        raise MessageMalformed(f"nothing that can be delivered again: {type(error).__name__}") from error
    if target.kind != "event":
        raise MessageMalformed("only facts are delivered again")
    push = envelope(
        json.dumps(data, ensure_ascii=False).encode(),
        message_id=event_id,
        subscription=f"projects/redelivered/subscriptions/{target.name}",
        attributes={"topic": target.source, "event_id": event_id},
        key=wish.get("key"),
        published_at=datetime.now(UTC),
        attempt=1,
    )
    return target, push


def _names(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def reason(error: ValidationError) -> str:
    """Which fields do not fit, without what they hold."""
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False))
