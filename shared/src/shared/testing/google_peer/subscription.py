"""A push subscription: what it delivers, in which order, and when it gives up."""

from __future__ import annotations

import base64
import json
import random
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from shared.testing.google_peer.durations import seconds
from shared.testing.google_peer.names import last
from shared.testing.google_peer.posting import Push, post

if TYPE_CHECKING:
    from google.pubsub_v1 import types as ps

    from shared.testing.google_peer.faults import Faults
    from shared.testing.google_peer.filters import Predicate
    from shared.testing.google_peer.scheduling import Scheduler
    from shared.testing.google_peer.tokens import GoogleSigner

_ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
_GATHERED_S = 0.05


@dataclass(frozen=True, slots=True)
class Message:
    """A published message."""

    id: str
    topic: str
    data: bytes
    attributes: Mapping[str, str]
    key: str
    published_at: str = field(default_factory=lambda: _rfc3339(datetime.now(UTC)))


@dataclass(slots=True)
class _Pending:
    message: Message
    attempt: int = 0


GiveUp = Callable[[str, Message, Mapping[str, str]], None]


class Subscription:
    """One at a time of each ordering key, everything else side by side."""

    def __init__(
        self, wanted: ps.Subscription, passes: Predicate, scheduler: Scheduler, signer: GoogleSigner, faults: Faults, hurry: float,
        give_up: GiveUp, log: list[Push],
    ) -> None:  # fmt: skip
        self.wanted = wanted
        self._passes, self._scheduler, self._signer = passes, scheduler, signer
        self._faults, self._hurry, self._give_up, self._log = faults, hurry, give_up, log
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, deque[_Pending]] = defaultdict(deque)
        self._held = 0
        self._closed = False

    def offer(self, message: Message) -> None:
        """Take it, unless the filter says no: then it is acknowledged unseen."""
        if not self._passes(message.attributes):
            return
        pending = _Pending(message)
        with self._lock:
            self._held += 1
            if not message.key or not self.wanted.enable_message_ordering:
                self._scheduler.after(0, partial(self._deliver, pending))
                return
            queue = self._waiting[message.key]
            queue.append(pending)
            if len(queue) > 1:
                return
        # A little later when order is to be lost, so that there is something to mix up.
        self._scheduler.after(_GATHERED_S if self._faults.out_of_order else 0, partial(self._next, message.key))

    def undelivered(self) -> int:
        """How many it holds."""
        with self._lock:
            return self._held

    def close(self) -> None:
        """Deliver nothing more."""
        with self._lock:
            self._closed = True
            self._held = 0

    def _next(self, key: str) -> None:
        with self._lock:
            queue = self._waiting[key]
            if self._faults.out_of_order and queue and queue[0].attempt == 0:
                queue.reverse()
            head = queue[0] if queue else None
        if head is not None:
            self._deliver(head)

    def _deliver(self, pending: _Pending) -> None:
        if self._closed:
            return
        pending.attempt += 1
        wanted, message = self.wanted, pending.message
        push = wanted.push_config
        audience = push.oidc_token.audience or push.push_endpoint
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "CloudPubSub-Google",
            "Authorization": f"Bearer {self._signer.token(push.oidc_token.service_account_email, audience)}",
        }
        body = json.dumps(self._envelope(pending)).encode()
        status = post(push.push_endpoint, body, headers, (wanted.ack_deadline_seconds or 10) / self._hurry)
        self._log.append(Push(last(wanted.name), message.id, pending.attempt, status, message.key))
        if status in _ACKNOWLEDGED and not self._faults.take_redelivery(last(wanted.name)):
            self._done(pending)
        elif self._exhausted(pending):
            self._bury(pending)
        else:
            again = partial(self._next, message.key) if self._ordered(message) else partial(self._deliver, pending)
            self._scheduler.after(self._backoff_s(pending.attempt), again)

    def _envelope(self, pending: _Pending) -> dict[str, object]:
        message = pending.message
        inner: dict[str, object] = {
            "data": base64.b64encode(message.data).decode(),
            "messageId": message.id,
            "message_id": message.id,
            "publishTime": message.published_at,
            "publish_time": message.published_at,
        }
        if message.attributes:
            inner["attributes"] = dict(message.attributes)
        if message.key:
            inner["orderingKey"] = message.key
        envelope: dict[str, object] = {"message": inner, "subscription": self.wanted.name}
        if self.wanted.dead_letter_policy.dead_letter_topic:
            envelope["deliveryAttempt"] = pending.attempt
        return envelope

    def _done(self, pending: _Pending) -> None:
        with self._lock:
            self._held = max(0, self._held - 1)
            if not self._ordered(pending.message):
                return
            queue = self._waiting[pending.message.key]
            queue.remove(pending)
            more = bool(queue)
        if more:
            self._scheduler.after(0, partial(self._next, pending.message.key))

    def _exhausted(self, pending: _Pending) -> bool:
        policy = self.wanted.dead_letter_policy
        return bool(policy.dead_letter_topic) and pending.attempt >= (policy.max_delivery_attempts or 5)

    def _bury(self, pending: _Pending) -> None:
        project = self.wanted.name.split("/")[1]
        more = {
            "CloudPubSubDeadLetterSourceSubscription": last(self.wanted.name),
            "CloudPubSubDeadLetterSourceSubscriptionProject": project,
            "CloudPubSubDeadLetterSourceDeliveryCount": str(pending.attempt),
            "CloudPubSubDeadLetterSourceTopicPublishTime": pending.message.published_at,
        }
        self._give_up(self.wanted.dead_letter_policy.dead_letter_topic, pending.message, more)
        self._done(pending)

    def _ordered(self, message: Message) -> bool:
        return bool(message.key) and self.wanted.enable_message_ordering

    def _backoff_s(self, attempt: int) -> float:
        retry = self.wanted.retry_policy
        low, high = seconds(retry, "minimum_backoff", 10.0), seconds(retry, "maximum_backoff", 600.0)
        return min(high, low * 2.0 ** min(attempt - 1, 30)) * (0.8 + random.random() * 0.2) / self._hurry


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
