"""The requests that Pub/Sub push and Cloud Tasks make."""

from __future__ import annotations

import base64
import json
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.deliveries import Route

    from maru.deliverer.queue import Delivery


def request(route: Route, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    """Body and headers of one attempt, without its authorisation."""
    match route.kind:
        case "event":
            return _push(route, delivery), {"content-type": "application/json"}
        case "task":
            return delivery.body.encode(), _task_headers(route, delivery)


def _push(route: Route, delivery: Delivery) -> bytes:
    published = delivery.published_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    message_id = str(delivery.message_id)
    message = {
        "data": base64.b64encode(delivery.body.encode()).decode(),
        "attributes": {"topic": route.source},
        "messageId": message_id,
        "message_id": message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if delivery.key is not None:
        message["orderingKey"] = delivery.key
    envelope = {
        "message": message,
        "subscription": f"projects/local/subscriptions/{route.name}",
        "deliveryAttempt": delivery.attempt,
    }
    return json.dumps(envelope).encode()


def _task_headers(route: Route, delivery: Delivery) -> dict[str, str]:
    earlier = str(delivery.attempt - 1)
    return {
        "content-type": "application/json",
        "user-agent": "Google-Cloud-Tasks",
        "x-cloudtasks-queuename": route.name,
        "x-cloudtasks-taskname": str(delivery.message_id),
        "x-cloudtasks-taskretrycount": earlier,
        "x-cloudtasks-taskexecutioncount": earlier,
        "x-cloudtasks-tasketa": f"{delivery.published_at.timestamp():.6f}",
    }
