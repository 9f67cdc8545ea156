"""A deliverer that a test holds in its hand: it delivers when told, as often as told, in whichever order."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    import httpx

    from shared.db import Database


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the outbox."""

    id: UUID
    kind: str
    name: str
    key: str | None
    body: dict[str, Any]

    def request(self) -> tuple[str, dict[str, Any]]:
        """Path and JSON body of the call that Pub/Sub or Cloud Tasks would make."""
        if self.kind == "task":
            return f"/internal/tasks/{self.name}", self.body
        data = base64.b64encode(json.dumps(self.body).encode()).decode()
        message = {"data": data, "messageId": str(self.id), "attributes": {}, "publishTime": "2026-01-01T00:00:00Z"}
        if self.key:
            message["orderingKey"] = self.key
        return f"/internal/push/{self.name}", {"message": message, "subscription": "projects/test/subscriptions/test"}


class HandDeliverer:
    """Plays Pub/Sub and Cloud Tasks for one service. `topics` are those it subscribes to; events of others are dropped."""

    def __init__(self, database: Database, service: httpx.AsyncClient, topics: frozenset[str]) -> None:
        self._database = database
        self._service = service
        self._topics = topics
        self.delivered: list[Message] = []

    async def waiting(self) -> list[Message]:
        """What has been promised and not delivered, in order; what is due later is left out."""
        async with self._database.service_tx() as connection:
            rows = await connection.fetch(
                """
                SELECT id, kind, topic_or_queue, key, body FROM outbox
                WHERE not_before IS NULL OR not_before <= now() ORDER BY seq
                """
            )
        messages = [Message(row["id"], row["kind"], row["topic_or_queue"], row["key"], row["body"]) for row in rows]
        return [message for message in messages if message.kind == "task" or message.name in self._topics]

    async def deliver(self, message: Message) -> httpx.Response:
        """One call; the row stays until `settle`."""
        path, body = message.request()
        return await self._service.post(path, json=body)

    async def settle(self, message: Message) -> None:
        """Take the promise for kept."""
        async with self._database.service_tx() as connection:
            await connection.execute("DELETE FROM outbox WHERE id = $1", message.id)
        self.delivered.append(message)

    async def once(self) -> list[httpx.Response]:
        """Deliver everything that waits, once; what is answered with 2xx is settled."""
        answers = []
        for message in await self.waiting():
            answer = await self.deliver(message)
            answers.append(answer)
            if answer.is_success:
                await self.settle(message)
        return answers

    async def drain(self, rounds: int = 40) -> None:
        """Deliver until nothing waits; what fails is delivered again, a limited number of times."""
        for _ in range(rounds):
            if not await self.once():
                return
        waiting = [message.name for message in await self.waiting()]
        raise AssertionError(f"still undelivered after {rounds} rounds: {waiting}")
