"""Who receives what: the table of contents of everything asynchronous.

On one machine the deliverer reads it; in the cloud it is topics, push subscriptions and queues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["event", "task"]


@dataclass(frozen=True, slots=True)
class Route:
    """One subscription or queue, and how hard it is tried."""

    name: str
    kind: Kind
    source: str
    """The topic of a subscription, the queue's own name for tasks."""
    service: str
    path: str
    concurrency: int
    deadline_s: float
    max_attempts: int
    min_backoff_s: float = 0.5
    max_backoff_s: float = 60.0
    only: Mapping[str, str | bool] = field(default_factory=dict)
    """Facts whose body does not hold these are not delivered: the filter of a subscription."""

    def backoff_s(self, attempt: int) -> float:
        """How long to wait after the `attempt`-th failure (from 1), before jitter."""
        return min(self.max_backoff_s, self.min_backoff_s * 2.0 ** min(attempt - 1, 30))


def subscription(topic: str, service: str, only: Mapping[str, str | bool] | None = None) -> Route:
    """Facts of `topic`, pushed to `service`, which records them and answers at once."""
    return Route(
        f"{service}.{topic}",
        "event",
        topic,
        service,
        f"/internal/push/{topic}",
        concurrency=24,
        deadline_s=30,
        max_attempts=30,
        only=only or {},
    )


def queue(name: str, service: str, *, concurrency: int, deadline_s: float, max_attempts: int) -> Route:
    """Commands called on `service` at a limited rate."""
    return Route(name, "task", name, service, f"/internal/tasks/{name}", concurrency, deadline_s, max_attempts)


REDELIVER = "redeliver"
"""The queue of facts that a subscription gave up and an administrator sends to it again; a command in it names the subscription to call."""

ROUTES: Sequence[Route] = (
    subscription("entry.saved", "ingest"),
    subscription("entry.changed", "ingest"),
    subscription("entry.insights_corrected", "ingest"),
    subscription("entry.deleted", "ingest"),
    subscription("space.deleted", "ingest"),
    subscription("job.submitted", "inference"),
    queue("index-entry", "ingest", concurrency=8, deadline_s=600, max_attempts=10),
    queue("refresh-entry", "ingest", concurrency=4, deadline_s=300, max_attempts=30),
    queue("forget-entry", "ingest", concurrency=4, deadline_s=120, max_attempts=30),
    queue("forget-space", "ingest", concurrency=1, deadline_s=600, max_attempts=30),
    subscription("task.finished", "api", only={"status": "done", "file_results": True}),
    queue("file-result", "api", concurrency=2, deadline_s=300, max_attempts=10),
    queue("file-job-results", "api", concurrency=1, deadline_s=60, max_attempts=10),
    queue("forget-job", "api", concurrency=1, deadline_s=600, max_attempts=30),
    queue(REDELIVER, "api", concurrency=4, deadline_s=30, max_attempts=10),
    queue("erase-account", "api", concurrency=1, deadline_s=60, max_attempts=100),
)

TOPICS: Sequence[str] = (
    "answer.finished",
    "entry.changed",
    "entry.deleted",
    "entry.insights_corrected",
    "entry.saved",
    "job.finished",
    "job.submitted",
    "space.deleted",
    "task.finished",
    "upload.completed",
    "user.signed_up",
)
"""Every fact that is published, whether anybody here listens or not."""


# The only answers that Pub/Sub takes for an acknowledgement; Cloud Tasks takes every 2xx.
_PUSH_ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
# The message itself is at fault and will be tomorrow: trying again would only hide it.
_HOPELESS = frozenset({400, 405, 410, 411, 413, 414, 415, 422})


def acknowledged(kind: Kind, status: int) -> bool:
    """Whether an answer ends a delivery well."""
    return status in _PUSH_ACKNOWLEDGED if kind == "event" else 200 <= status < 300


def hopeless(status: int) -> bool:
    """Whether an answer says that trying again is of no use."""
    return status in _HOPELESS


def attributes(topic: str, body: Mapping[str, object]) -> dict[str, str]:
    """What a subscription's filter may look at: of a fact's body, the fields that any subscription to `topic` filters by, as text."""
    names = {name for route in ROUTES if route.kind == "event" and route.source == topic for name in route.only}
    return {name: attribute(body[name]) for name in sorted(names) if name in body}


def attribute(value: object) -> str:
    """A value as the text that filters compare: `true` and `false` for booleans."""
    return str(value).lower() if isinstance(value, bool) else str(value)
