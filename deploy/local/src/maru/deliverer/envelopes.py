"""The requests that Pub/Sub push and Cloud Tasks make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from shared.pushes import call_of, envelope

if TYPE_CHECKING:
    from shared.deliveries import Route

    from maru.deliverer.queue import Delivery


def request(route: Route, delivery: Delivery, routes: Mapping[str, Route]) -> tuple[Route, bytes, dict[str, str]]:
    """Whom one attempt calls, with which body and headers, its authorisation excepted."""
    match route.kind:
        case "event":
            return route, _push(route, delivery), {"content-type": "application/json"}
        case "task":
            target, body = call_of(route, delivery.body, routes)
            return target, body, _task_headers(route, delivery)


def _push(route: Route, delivery: Delivery) -> bytes:
    return envelope(
        delivery.body.encode(),
        message_id=str(delivery.message_id),
        subscription=f"projects/local/subscriptions/{route.name}",
        attributes={"topic": route.source},
        key=delivery.key,
        published_at=delivery.published_at,
        attempt=delivery.attempt,
    )


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
