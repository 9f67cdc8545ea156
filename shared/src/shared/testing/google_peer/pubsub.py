"""Pub/Sub: topics, and what may be published to them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shared.testing.google_peer.durations import seconds
from shared.testing.google_peer.faults import Faults, Refusal
from shared.testing.google_peer.filters import parse
from shared.testing.google_peer.names import check
from shared.testing.google_peer.subscription import Message, Subscription

if TYPE_CHECKING:
    from google.protobuf import empty_pb2
    from google.pubsub_v1 import types as ps

    from shared.testing.google_peer.posting import Push
    from shared.testing.google_peer.scheduling import Scheduler
    from shared.testing.google_peer.tokens import GoogleSigner

_REQUEST_BYTES = 10_000_000
_AT_ONCE = 1000
_ATTRIBUTES = 100
_ATTRIBUTE_NAME, _ATTRIBUTE_VALUE, _KEY = 256, 1024, 1024


class PubSub:
    """Publisher and Subscriber as gRPC answers them; subscriptions push, nothing can be pulled."""

    def __init__(self, scheduler: Scheduler, signer: GoogleSigner, faults: Faults, hurry: float) -> None:
        self._scheduler, self._signer, self._faults, self._hurry = scheduler, signer, faults, hurry
        self._lock = threading.RLock()
        self._ids = itertools.count(7_000_000_000_000_001)
        self.topics: dict[str, ps.Topic] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.published: list[Message] = []
        """Everything that was taken, also what nobody subscribes to."""
        self.batches: list[int] = []
        """How many messages each request carried."""
        self.pushes: list[Push] = []

    def create_topic(self, topic: ps.Topic) -> ps.Topic:
        """CreateTopic."""
        with self._lock:
            if check("topic", topic.name) in self.topics:
                raise Refusal("ALREADY_EXISTS", f"Resource already exists in the project (resource={topic.name}).")
            self.topics[topic.name] = topic
        return topic

    def get_topic(self, request: ps.GetTopicRequest) -> ps.Topic:
        """GetTopic."""
        return self._topic(request.topic)

    def delete_topic(self, request: ps.DeleteTopicRequest) -> empty_pb2.Empty:
        """DeleteTopic; its subscriptions get nothing any more."""
        from google.protobuf import empty_pb2

        with self._lock:
            del self.topics[self._topic(request.topic).name]
        return empty_pb2.Empty()

    def create_subscription(self, wanted: ps.Subscription) -> ps.Subscription:
        """CreateSubscription."""
        check("subscription", wanted.name)
        _check_subscription(wanted)
        with self._lock:
            if wanted.name in self.subscriptions:
                raise Refusal("ALREADY_EXISTS", f"Resource already exists in the project (resource={wanted.name}).")
            self._topic(wanted.topic)
            if wanted.dead_letter_policy.dead_letter_topic:
                self._topic(wanted.dead_letter_policy.dead_letter_topic)
            self.subscriptions[wanted.name] = Subscription(
                wanted, parse(wanted.filter), self._scheduler, self._signer, self._faults, self._hurry, self._give_up, self.pushes
            )  # fmt: skip
        return wanted

    def get_subscription(self, request: ps.GetSubscriptionRequest) -> ps.Subscription:
        """GetSubscription."""
        return self._subscription(request.subscription).wanted

    def delete_subscription(self, request: ps.DeleteSubscriptionRequest) -> empty_pb2.Empty:
        """DeleteSubscription; what it has not delivered is gone."""
        from google.protobuf import empty_pb2

        with self._lock:
            self.subscriptions.pop(self._subscription(request.subscription).wanted.name).close()
        return empty_pb2.Empty()

    def publish(self, request: ps.PublishRequest) -> ps.PublishResponse:
        """Publish: the whole request or nothing of it."""
        from google.pubsub_v1 import types as ps

        check("topic", request.topic)
        raw = type(request).pb(request)
        if raw.ByteSize() > _REQUEST_BYTES:
            raise Refusal("INVALID_ARGUMENT", f"Request payload size exceeds the limit: {_REQUEST_BYTES} bytes.")
        if not 0 < len(raw.messages) <= _AT_ONCE:
            raise Refusal("INVALID_ARGUMENT", f"The value for message_count is out of range: {len(raw.messages)}.")
        for message in raw.messages:
            _check_message(message)
        with self._lock:
            self._topic(request.topic)
            self.batches.append(len(raw.messages))
            ids = [self._keep(request.topic, m.data, dict(m.attributes), m.ordering_key) for m in raw.messages]
        return ps.PublishResponse(message_ids=ids)

    def undelivered(self) -> int:
        """How many messages subscriptions still hold."""
        with self._lock:
            return sum(subscription.undelivered() for subscription in self.subscriptions.values())

    def _keep(self, topic: str, data: bytes, attributes: Mapping[str, str], key: str) -> str:
        message = Message(str(next(self._ids)), topic, data, attributes, key)
        self.published.append(message)
        for subscription in self.subscriptions.values():
            if subscription.wanted.topic == topic:
                subscription.offer(message)
        return message.id

    def _give_up(self, topic: str, message: Message, more: Mapping[str, str]) -> None:
        # The ordering key stays behind: nobody may rely on it beyond the topic it was published to.
        with self._lock:
            self._keep(topic, message.data, {**message.attributes, **more}, "")

    def _topic(self, name: str) -> ps.Topic:
        if check("topic", name) not in self.topics:
            raise Refusal("NOT_FOUND", f"Resource not found (resource={name.rsplit('/', 1)[-1]}).")
        return self.topics[name]

    def _subscription(self, name: str) -> Subscription:
        if check("subscription", name) not in self.subscriptions:
            raise Refusal("NOT_FOUND", f"Resource not found (resource={name.rsplit('/', 1)[-1]}).")
        return self.subscriptions[name]


def routes(pubsub: PubSub) -> dict[str, tuple[type[Any], Callable[[Any], Any], str]]:
    """The gRPC methods: request class, function, and the field that names the resource."""
    from google.pubsub_v1 import types as ps

    publisher, subscriber = "/google.pubsub.v1.Publisher/", "/google.pubsub.v1.Subscriber/"
    return {
        publisher + "CreateTopic": (ps.Topic, pubsub.create_topic, "name"),
        publisher + "GetTopic": (ps.GetTopicRequest, pubsub.get_topic, "topic"),
        publisher + "DeleteTopic": (ps.DeleteTopicRequest, pubsub.delete_topic, "topic"),
        publisher + "Publish": (ps.PublishRequest, pubsub.publish, "topic"),
        subscriber + "CreateSubscription": (ps.Subscription, pubsub.create_subscription, "name"),
        subscriber + "GetSubscription": (ps.GetSubscriptionRequest, pubsub.get_subscription, "subscription"),
        subscriber + "DeleteSubscription": (ps.DeleteSubscriptionRequest, pubsub.delete_subscription, "subscription"),
    }


def _check_message(message: Any) -> None:
    if not message.data and not message.attributes:
        raise Refusal("INVALID_ARGUMENT", "Some messages are empty: data or attributes must be given.")
    if len(message.attributes) > _ATTRIBUTES:
        raise Refusal("INVALID_ARGUMENT", f"A message may have {_ATTRIBUTES} attributes.")
    for name, value in message.attributes.items():
        if not 0 < len(name.encode()) <= _ATTRIBUTE_NAME or name.lower().startswith("goog"):
            raise Refusal("INVALID_ARGUMENT", f"Attribute name {name[:40]!r} is not allowed.")
        if len(value.encode()) > _ATTRIBUTE_VALUE:
            raise Refusal("INVALID_ARGUMENT", f"The value of attribute {name!r} is too long.")
    if len(message.ordering_key.encode()) > _KEY:
        raise Refusal("INVALID_ARGUMENT", "The ordering key is too long.")
    if message.message_id or message.HasField("publish_time"):
        raise Refusal("INVALID_ARGUMENT", "message_id and publish_time are set by the server.")


def _check_subscription(wanted: ps.Subscription) -> None:
    push = wanted.push_config
    if not push.push_endpoint.startswith(("https://", "http://127.0.0.1:")):
        raise Refusal("INVALID_ARGUMENT", f"Invalid push endpoint given (endpoint={push.push_endpoint}).")
    if not push.oidc_token.service_account_email:
        raise Refusal("INVALID_ARGUMENT", "This peer pushes with an OIDC token only: service_account_email is missing.")
    if not (wanted.ack_deadline_seconds == 0 or 10 <= wanted.ack_deadline_seconds <= 600):
        raise Refusal("INVALID_ARGUMENT", "Invalid ack deadline: 10 to 600 seconds.")
    policy = wanted.dead_letter_policy
    if policy.dead_letter_topic and not 5 <= (policy.max_delivery_attempts or 5) <= 100:
        raise Refusal("INVALID_ARGUMENT", "max_delivery_attempts must be 5 to 100.")
    retry = wanted.retry_policy
    low, high = seconds(retry, "minimum_backoff", 10.0), seconds(retry, "maximum_backoff", 600.0)
    if not 0 <= low <= high <= 600:
        raise Refusal("INVALID_ARGUMENT", "Backoffs must be 0 to 600 seconds, the lower one first.")
