"""Which relay a service has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.outbox import NotifyRelay

if TYPE_CHECKING:
    from fastapi import FastAPI

    from shared.db import Database
    from shared.http.callbacks import CallbackVerifier
    from shared.outbox import Relay
    from shared.publishing.settings import MessagingSettings


def open_relay(settings: MessagingSettings | None, database: Database) -> Relay:
    """Publishes to the project of `settings`; without any, wakes the deliverer of this machine. Nothing is opened before something is promised."""
    if settings is None:
        return NotifyRelay(database)
    from shared.publishing.cloud_tasks import CloudTasksQueues
    from shared.publishing.pubsub import PubSubTopics
    from shared.publishing.relay import OutboxRelay

    return OutboxRelay(database, PubSubTopics(settings), CloudTasksQueues(settings))


def set_aside_at_last(
    settings: MessagingSettings | None, app: FastAPI, service: str, verify: CallbackVerifier, database: Database
) -> None:
    """Have `app`, which Google calls as `service`, keep what fails for good. Without `settings` the deliverer of this machine does."""
    if settings is None:
        return
    from shared.publishing.set_aside import SetsAside

    app.add_middleware(SetsAside, service=service, verify=verify, database=database)
