"""Facts to Pub/Sub."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from shared.deliveries import ROUTES, attributes
from shared.publishing.channels import close, load, transport
from shared.publishing.failures import classify, outcome_of, report
from shared.publishing.port import End, Outcome, Promise

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherAsyncClient

    from shared.publishing.settings import MessagingSettings

_AT_ONCE = 1000
# Ten million bytes is what Pub/Sub takes; the rest is for names and lengths.
_REQUEST_BYTES = 9_500_000
_FRAME_BYTES = 64
_REQUEST_S = 8.0
_FILTERED = frozenset(route.source for route in ROUTES if route.kind == "event" and route.only)


class PubSubTopics:
    """One request carries what is due of a topic. The client's own batching would need a thread that waits, and the outbox has gathered already."""

    def __init__(self, settings: MessagingSettings) -> None:
        self._settings = settings
        self._client: PublisherAsyncClient | None = None
        self._opening = asyncio.Lock()

    async def carry(self, promises: Sequence[Promise], within_s: float) -> list[Outcome]:
        """Topics side by side, of each topic one request after the other: nothing overtakes an older message of its key."""
        ends_at = time.monotonic() + within_s
        topics: defaultdict[str, list[Promise]] = defaultdict(list)
        for promise in promises:
            topics[promise.name].append(promise)
        try:
            client = await self._open()
        except Exception as error:  # noqa: BLE001 - credentials can fail in any way, and the outbox keeps what was promised
            report("Pub/Sub", error, len(promises))
            return [outcome_of(promise, error) for promise in promises]
        some = await asyncio.gather(*(self._topic(client, of_topic, ends_at) for of_topic in topics.values()))
        return [outcome for outcomes in some for outcome in outcomes]

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await close(client)

    async def _topic(self, client: PublisherAsyncClient, promises: Sequence[Promise], ends_at: float) -> list[Outcome]:
        outcomes: list[Outcome] = []
        stuck: set[str] = set()
        for batch in batches(promises):
            outcomes += await self._batch(client, batch, stuck, ends_at)
        return outcomes

    async def _batch(
        self, client: PublisherAsyncClient, batch: Sequence[Promise], stuck: set[str], ends_at: float
    ) -> list[Outcome]:
        """Outcomes of one batch; keys of messages that failed are added to `stuck`, and what has such a key is not sent."""
        left_s = ends_at - time.monotonic()
        free = [promise for promise in batch if left_s > 0 and promise.key not in stuck]
        outcomes = [Outcome(promise, End.HELD) for promise in batch if left_s <= 0 or promise.key in stuck]
        if not free:
            return outcomes
        try:
            await self._publish(client, free, min(_REQUEST_S, left_s))
        except Exception as error:  # noqa: BLE001 - whatever it was, the outbox keeps what was promised
            if classify(error) is End.NEVER and len(free) > 1:
                # One of them is at fault, and the request says not which.
                middle = len(free) // 2
                for half in (free[:middle], free[middle:]):
                    outcomes += await self._batch(client, half, stuck, ends_at)
                return outcomes
            report(free[0].name, error, len(free))
            failed = [outcome_of(promise, error) for promise in free]
            stuck |= {one.promise.key for one in failed if one.end is not End.NEVER and one.promise.key is not None}
            return outcomes + failed
        return outcomes + [Outcome(promise, End.CARRIED) for promise in free]

    async def _publish(self, client: PublisherAsyncClient, promises: Sequence[Promise], timeout_s: float) -> None:
        from google.pubsub_v1 import types

        # The classes below the client's own: those convert each field by itself, which costs more than everything else here.
        message = types.PubsubMessage.pb()
        messages = [
            message(data=promise.body.encode(), attributes=labels(promise), ordering_key=promise.key or "")
            for promise in promises
        ]
        topic = f"projects/{self._settings.project}/topics/{promises[0].name}"
        request = types.PublishRequest.wrap(types.PublishRequest.pb()(topic=topic, messages=messages))
        await client.publish(request=request, retry=_retry(timeout_s), timeout=timeout_s)

    async def _open(self) -> PublisherAsyncClient:
        async with self._opening:
            if self._client is None:
                await load("google.pubsub_v1")
                from google.pubsub_v1 import PublisherAsyncClient
                from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport

                # Of one region: elsewhere messages of one key may change places.
                host = f"{self._settings.region}-pubsub.googleapis.com"
                made = await transport(PublisherGrpcAsyncIOTransport, host, self._settings.pubsub_host)
                self._client = PublisherAsyncClient(transport=made)
            return self._client


def labels(promise: Promise) -> dict[str, str]:
    """The attributes: what filters look at, and the one id that stays when the row is published twice."""
    plain = {"topic": promise.name, "event_id": str(promise.id)}
    if promise.key is not None:
        plain["key"] = promise.key
    if promise.name not in _FILTERED:
        return plain
    body = json.loads(promise.body)
    return plain | attributes(promise.name, body if isinstance(body, dict) else {})


def batches(
    promises: Sequence[Promise], at_once: int = _AT_ONCE, most_bytes: int = _REQUEST_BYTES
) -> Iterator[list[Promise]]:
    """In order, as many in each as one request may carry; one that is too large alone comes alone and is refused alone."""
    batch: list[Promise] = []
    size = 0
    for promise in promises:
        own = _size(promise)
        if batch and (len(batch) == at_once or size + own > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(promise)
        size += own
    if batch:
        yield batch


def _size(promise: Promise) -> int:
    return len(promise.body.encode()) + 3 * len((promise.key or "").encode()) + _FRAME_BYTES * 8


def _retry(timeout_s: float) -> Any:
    from google.api_core import exceptions
    from google.api_core.retry import AsyncRetry, if_exception_type

    passing = if_exception_type(exceptions.Aborted, exceptions.ServiceUnavailable, exceptions.InternalServerError)
    return AsyncRetry(passing, initial=0.1, maximum=1.0, multiplier=2.0, timeout=timeout_s)
