"""Everything that deployment makes in a project: topics, push subscriptions and queues for the routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.deliveries import attribute

if TYPE_CHECKING:
    from shared.deliveries import Route
    from shared.testing.google_peer.peer import GooglePeer

DEAD_LETTERS = "dead-letters"
_FEWEST, _MOST = 5, 100


def provision(
    peer: GooglePeer,
    routes: Iterable[Route],
    services: Mapping[str, str],
    account: str,
    *,
    project: str = "maru-test",
    region: str = "asia-northeast3",
    topics: Iterable[str] = (),
) -> None:
    """Make them; `services` maps a service's name to its base URL, which is also the audience."""
    from google.pubsub_v1 import types as ps

    routes = list(routes)
    names = {route.source for route in routes if route.kind == "event"} | {*topics, DEAD_LETTERS}
    for name in sorted(names):
        peer.pubsub.create_topic(ps.Topic(name=f"projects/{project}/topics/{name}"))
    for route in routes:
        if route.kind == "event":
            _subscribe(peer, route, services[route.service], account, project)
        else:
            _queue(peer, route, project, region)


def _subscribe(peer: GooglePeer, route: Route, base: str, account: str, project: str) -> None:
    from google.pubsub_v1 import types as ps

    push = ps.PushConfig(
        push_endpoint=base + route.path,
        oidc_token=ps.PushConfig.OidcToken(service_account_email=account, audience=base),
    )
    dead_letters = ps.DeadLetterPolicy(
        dead_letter_topic=f"projects/{project}/topics/{DEAD_LETTERS}",
        max_delivery_attempts=min(max(route.max_attempts, _FEWEST), _MOST),
    )
    peer.pubsub.create_subscription(
        ps.Subscription(
            name=f"projects/{project}/subscriptions/{route.name}",
            topic=f"projects/{project}/topics/{route.source}",
            push_config=push,
            ack_deadline_seconds=max(10, round(route.deadline_s)),
            enable_message_ordering=True,
            filter=" AND ".join(f'attributes.{name} = "{attribute(value)}"' for name, value in route.only.items()),
            # What lands among the dead letters is not given up a second time.
            dead_letter_policy=None if route.source == DEAD_LETTERS else dead_letters,
            retry_policy=ps.RetryPolicy(
                minimum_backoff=timedelta(seconds=route.min_backoff_s),
                maximum_backoff=timedelta(seconds=route.max_backoff_s),
            ),
        )
    )


def _queue(peer: GooglePeer, route: Route, project: str, region: str) -> None:
    from google.cloud.tasks_v2 import types as ct

    parent = f"projects/{project}/locations/{region}"
    queue = ct.Queue(
        name=f"{parent}/queues/{route.name}",
        rate_limits=ct.RateLimits(max_concurrent_dispatches=route.concurrency, max_dispatches_per_second=500),
        # Without a limit: Cloud Tasks would forget a task whose attempts are used up, so the service itself sets it aside.
        retry_config=ct.RetryConfig(
            max_attempts=-1,
            min_backoff=timedelta(seconds=route.min_backoff_s),
            max_backoff=timedelta(seconds=route.max_backoff_s),
        ),
    )
    peer.tasks.create_queue(ct.CreateQueueRequest(parent=parent, queue=queue))
