"""The peer's Pub/Sub, by the official client: what it refuses, what it delivers, and when it gives up."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import grpc
import jwt
import pytest
from google.api_core import exceptions
from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient
from google.pubsub_v1 import types as ps
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport
from jwt import PyJWKSet
from shared.testing import eventually
from shared.testing.google_peer import GooglePeer
from shared.testing.google_peer.faults import Refusal
from shared.testing.google_peer.filters import parse
from shared.testing.http_peer import http_peer

PROJECT = "projects/maru-test"
TOPIC, GRAVE = f"{PROJECT}/topics/entry.saved", f"{PROJECT}/topics/dead-letters"
ACCOUNT = "push@maru-test.iam.gserviceaccount.com"


class Receiver:
    """Remembers pushes and answers what `answer` says."""

    def __init__(self, answer: Callable[[dict[str, Any]], int]) -> None:
        self.url, self.answer = "", answer
        self.seen: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self._lock = threading.Lock()

    @property
    def texts(self) -> list[str]:
        return [base64.b64decode(one["message"]["data"]).decode() for one in self.seen]


@contextmanager
def receiving(answer: Callable[[dict[str, Any]], int] = lambda _: 204) -> Generator[Receiver]:
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            envelope = json.loads(self.rfile.read(int(self.headers["content-length"])))
            receiver.seen.append(envelope)
            receiver.tokens.append(self.headers["authorization"].removeprefix("Bearer "))
            self.send_response(receiver.answer(envelope))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with http_peer(Handler, "receiver") as receiver.url:
        yield receiver


@pytest.fixture
async def publisher(google_peer: GooglePeer) -> AsyncGenerator[PublisherAsyncClient]:
    channel = grpc.aio.insecure_channel(google_peer.address)
    yield PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))
    await channel.close()


@pytest.fixture
async def subscriber(google_peer: GooglePeer) -> AsyncGenerator[SubscriberAsyncClient]:
    channel = grpc.aio.insecure_channel(google_peer.address)
    yield SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))
    await channel.close()


def subscription(url: str, name: str = "ingest.entry.saved", **more: Any) -> ps.Subscription:
    push = ps.PushConfig(push_endpoint=url, oidc_token=ps.PushConfig.OidcToken(service_account_email=ACCOUNT))
    plain: dict[str, Any] = {
        "name": f"{PROJECT}/subscriptions/{name}",
        "topic": TOPIC,
        "push_config": push,
        "enable_message_ordering": True,
        "retry_policy": ps.RetryPolicy(minimum_backoff=timedelta(seconds=0.2), maximum_backoff=timedelta(seconds=1)),
    }
    return ps.Subscription(**(plain | more))


def message(text: str = "x", **more: Any) -> ps.PubsubMessage:
    return ps.PubsubMessage(data=text.encode(), **more)


async def publish(publisher: PublisherAsyncClient, *messages: ps.PubsubMessage, topic: str = TOPIC) -> list[str]:
    answer = await publisher.publish(topic=topic, messages=list(messages), retry=None, timeout=5)
    return list(answer.message_ids)


BAD_MESSAGES = {
    "empty": [ps.PubsubMessage()],
    "too many": [message()] * 1001,
    "none": [],
    "too large": [message("x" * 6_000_000), message("x" * 4_000_000)],
    "an attribute named by Google": [message(attributes={"googclient": "1"})],
    "a long attribute": [message(attributes={"a": "x" * 1025})],
    "too many attributes": [message(attributes={f"a{number}": "1" for number in range(101)})],
    "a long key": [message(ordering_key="k" * 1025)],
    "an id of its own": [message(message_id="1")],
}


@pytest.mark.parametrize("wrong", BAD_MESSAGES)
async def test_what_pub_sub_refuses_is_refused(
    google_peer: GooglePeer, publisher: PublisherAsyncClient, wrong: str
) -> None:
    await publisher.create_topic(name=TOPIC)
    with pytest.raises(exceptions.InvalidArgument):
        await publish(publisher, *BAD_MESSAGES[wrong])
    assert google_peer.pubsub.published == []


async def test_a_topic_that_is_not_there_is_not_made_up(publisher: PublisherAsyncClient) -> None:
    with pytest.raises(exceptions.NotFound):
        await publish(publisher, message())
    for name in ("goog-topic", "ab", "1st", "with space", "t" * 256):
        with pytest.raises(exceptions.InvalidArgument):
            await publisher.create_topic(name=f"{PROJECT}/topics/{name}")
    await publisher.create_topic(name=TOPIC)
    with pytest.raises(exceptions.AlreadyExists):
        await publisher.create_topic(name=TOPIC)


BAD_SUBSCRIPTIONS: dict[str, dict[str, Any]] = {
    "a deadline below 10 s": {"ack_deadline_seconds": 9},
    "a deadline above 600 s": {"ack_deadline_seconds": 601},
    "plain http to elsewhere": {
        "push_config": ps.PushConfig(
            push_endpoint="http://example.com/", oidc_token=ps.PushConfig.OidcToken(service_account_email=ACCOUNT)
        )
    },
    "no account": {"push_config": ps.PushConfig(push_endpoint="https://example.com/")},
    "four attempts": {"dead_letter_policy": ps.DeadLetterPolicy(dead_letter_topic=TOPIC, max_delivery_attempts=4)},
    "backoffs the wrong way round": {
        "retry_policy": ps.RetryPolicy(minimum_backoff=timedelta(seconds=5), maximum_backoff=timedelta(seconds=1))
    },
    "a filter on data": {"filter": 'data = "x"'},
}


@pytest.mark.parametrize("wrong", BAD_SUBSCRIPTIONS)
async def test_subscriptions_that_google_would_not_make(
    publisher: PublisherAsyncClient, subscriber: SubscriberAsyncClient, wrong: str
) -> None:
    await publisher.create_topic(name=TOPIC)
    with pytest.raises(exceptions.InvalidArgument):
        await subscriber.create_subscription(subscription("https://example.com/", **BAD_SUBSCRIPTIONS[wrong]))


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ('attributes.status = "done"', True),
        ('attributes.status != "done"', False),
        ('attributes.status = "done" AND attributes.wanted = "true"', True),
        ('attributes.status = "failed" OR attributes.wanted = "true"', True),
        ('attributes.status = "failed" AND (attributes:none OR attributes:status)', False),
        ("NOT attributes:none", True),
        ("-attributes:status", False),
        ('hasPrefix(attributes.status, "do")', True),
        ('attributes."status" = "done"', True),
    ],
)
def test_filters_look_at_attributes(text: str, passes: bool) -> None:
    assert parse(text)({"status": "done", "wanted": "true"}) is passes


@pytest.mark.parametrize(
    "text", ["attributes", 'attributes.a = "b', 'attributes.a = b', "attributes.a = 1", 'attributes.a ~ "b"', "(attributes:a",
             "attributes:a AND attributes:b OR attributes:c", 'attributes:a attributes:b', "attributes:a AND", "x" * 257],
)  # fmt: skip
def test_filters_that_are_not_understood_are_refused(text: str) -> None:
    with pytest.raises(Refusal, match="filter"):
        parse(text)


async def test_a_push_comes_in_googles_envelope_with_a_token_of_the_account(
    google_peer: GooglePeer, publisher: PublisherAsyncClient, subscriber: SubscriberAsyncClient
) -> None:
    await publisher.create_topic(name=TOPIC)
    with receiving() as receiver:
        await subscriber.create_subscription(subscription(receiver.url + "/push", filter="attributes:wanted"))
        ids = await publish(
            publisher, message("no"), message("마루", attributes={"wanted": "1"}, ordering_key="k"), message("no")
        )
        await eventually(lambda: google_peer.pubsub.undelivered() == 0 and receiver.seen)
    (envelope,) = receiver.seen
    assert envelope["message"]["messageId"] == ids[1]
    assert envelope["message"]["orderingKey"] == "k"
    assert envelope["message"]["attributes"] == {"wanted": "1"}
    assert envelope["subscription"] == f"{PROJECT}/subscriptions/ingest.entry.saved"
    assert "deliveryAttempt" not in envelope
    assert receiver.texts == ["마루"]
    key = PyJWKSet.from_dict(google_peer.signer.jwks())[google_peer.signer.kid]
    claims = jwt.decode(receiver.tokens[0], key, ["RS256"], audience=receiver.url + "/push")
    assert (claims["iss"], claims["email"], claims["email_verified"]) == ("https://accounts.google.com", ACCOUNT, True)


async def test_order_of_one_key_holds_through_failures_and_other_keys_go_on(
    google_peer: GooglePeer, publisher: PublisherAsyncClient, subscriber: SubscriberAsyncClient
) -> None:
    failures = iter([503, 500, 429])

    def answer(envelope: dict[str, Any]) -> int:
        return next(failures, 204) if base64.b64decode(envelope["message"]["data"]) == b"a0" else 204

    await publisher.create_topic(name=TOPIC)
    with receiving(answer) as receiver:
        await subscriber.create_subscription(subscription(receiver.url))
        await publish(publisher, *(message(f"{key}{n}", ordering_key=key) for n in range(5) for key in ("a", "b")))
        await eventually(lambda: google_peer.pubsub.undelivered() == 0)
    assert [text for text in receiver.texts if text[0] == "a"] == ["a0"] * 4 + ["a1", "a2", "a3", "a4"]
    assert [text for text in receiver.texts if text[0] == "b"] == ["b0", "b1", "b2", "b3", "b4"]


async def test_what_keeps_failing_goes_to_the_dead_letters_and_frees_its_key(
    google_peer: GooglePeer, publisher: PublisherAsyncClient, subscriber: SubscriberAsyncClient
) -> None:
    def answer(envelope: dict[str, Any]) -> int:
        return 400 if base64.b64decode(envelope["message"]["data"]) == b"bad" else 204

    await publisher.create_topic(name=TOPIC)
    await publisher.create_topic(name=GRAVE)
    with receiving(answer) as receiver, receiving() as grave:
        policy = ps.DeadLetterPolicy(dead_letter_topic=GRAVE, max_delivery_attempts=5)
        await subscriber.create_subscription(subscription(receiver.url, dead_letter_policy=policy))
        await subscriber.create_subscription(subscription(grave.url, "api.dead-letters", topic=GRAVE))
        await publish(publisher, message("bad", ordering_key="k"), message("good", ordering_key="k"))
        await eventually(lambda: grave.seen and google_peer.pubsub.undelivered() == 0)
    assert receiver.texts == ["bad"] * 5 + ["good"]
    assert [one["deliveryAttempt"] for one in receiver.seen] == [1, 2, 3, 4, 5, 1]
    attributes = grave.seen[0]["message"]["attributes"]
    assert attributes["CloudPubSubDeadLetterSourceSubscription"] == "ingest.entry.saved"
    assert attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"
    assert grave.texts == ["bad"]


async def test_faults_come_when_they_are_asked_for(
    google_peer: GooglePeer, publisher: PublisherAsyncClient, subscriber: SubscriberAsyncClient
) -> None:
    await publisher.create_topic(name=TOPIC)
    google_peer.fault("Publish", status="RESOURCE_EXHAUSTED", times=2, resource=TOPIC)
    for _ in range(2):
        with pytest.raises(exceptions.ResourceExhausted):
            await publish(publisher, message())
    google_peer.fault("Publish", stall_s=30)
    with pytest.raises(exceptions.DeadlineExceeded):
        await publisher.publish(topic=TOPIC, messages=[message()], retry=None, timeout=0.2)
    assert google_peer.pubsub.published == []
    google_peer.fault("Publish", lost=True)
    with pytest.raises(exceptions.ServiceUnavailable):
        await publish(publisher, message("kept"))
    assert [kept.data for kept in google_peer.pubsub.published] == [b"kept"]
    google_peer.away()
    with pytest.raises(exceptions.ServiceUnavailable):
        await publish(publisher, message())
    google_peer.back()
    google_peer.faults.redeliver("ingest.entry.saved", 2)
    with receiving() as receiver:
        await subscriber.create_subscription(subscription(receiver.url))
        await eventually(lambda: _published(publisher))
        await eventually(lambda: google_peer.pubsub.undelivered() == 0)
    assert receiver.texts == ["again"] * 3
    assert len({one["message"]["messageId"] for one in receiver.seen}) == 1
    assert google_peer.calls["Publish"] >= 5


async def _published(publisher: PublisherAsyncClient) -> bool:
    """The channel needs a moment to find the peer again."""
    try:
        return bool(await publish(publisher, message("again")))
    except exceptions.ServiceUnavailable:
        return False
