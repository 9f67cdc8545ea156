"""One HTTP call of a service, and what its answer means for the message."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.deliveries import acknowledged, hopeless

from maru.deliverer.queue import Outcome

if TYPE_CHECKING:
    from shared.deliveries import Route

    from maru.deliverer.queue import Delivery

_CAUSE_KEPT = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said; `status` 0 means that no answer came."""

    status: int
    text: str = ""
    retry_after_s: float | None = None


class Caller(Protocol):
    """Sends a request to a service of this machine."""

    async def post(self, url: str, body: bytes, headers: dict[str, str], deadline_s: float) -> Answer:
        """The answer, or status 0 with the reason why none came. A second call is a second request."""
        ...

    async def close(self) -> None:
        """Let connections go."""
        ...


def judge(route: Route, delivery: Delivery, answer: Answer) -> Outcome:
    """Delivered, again later, or given up with a cause."""
    if acknowledged(route.kind, answer.status):
        return Outcome(delivery)
    cause = f"{answer.status or 'no answer'}: {answer.text}"[:_CAUSE_KEPT].replace("\0", "")
    if hopeless(answer.status) or delivery.attempt >= route.max_attempts:
        return Outcome(delivery, cause)
    waits = route.backoff_s(delivery.attempt) * (0.5 + random.random() / 2)  # noqa: S311 - jitter
    return Outcome(delivery, cause, max(waits, min(answer.retry_after_s or 0.0, route.max_backoff_s)))
