"""Rate limits: token buckets in Postgres for what is expensive or guessable, in memory for plain reads."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import TooManyRequests
from shared.http import rate_store as store

if TYPE_CHECKING:
    from shared.db import Database

_KEPT_IN_MEMORY = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket of `burst` requests that refills `per_minute`."""

    name: str
    per_minute: float
    burst: float


class RateLimiter:
    """Counts requests by bucket; raises `TooManyRequests` with the wait. `enabled=False` lets everything through."""

    def __init__(self, database: Database, *, enabled: bool = True) -> None:
        self._database = database
        self._enabled = enabled
        self._local: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def spend(self, limit: Limit, who: str, cost: float = 1) -> None:
        """Take from a bucket that all instances share."""
        if not self._enabled:
            return
        async with self._database.service_tx() as connection:
            wait = await store.take(connection, f"{limit.name}:{who}", limit.burst, limit.per_minute / 60, cost)
        if wait:
            raise TooManyRequests(
                f"Too many requests of this kind. Try again in {math.ceil(wait)} s.", retry_after=wait
            )

    def spend_here(self, limit: Limit, who: str) -> None:
        """Take from a bucket of this process only: no round trip, enough against a runaway client."""
        if not self._enabled:
            return
        now, key, rate = time.monotonic(), f"{limit.name}:{who}", limit.per_minute / 60
        tokens, since = self._local.pop(key, (limit.burst, now))
        tokens = min(limit.burst, tokens + (now - since) * rate)
        allowed = tokens >= 1
        self._local[key] = (tokens - 1 if allowed else tokens, now)
        if len(self._local) > _KEPT_IN_MEMORY:
            self._local.popitem(last=False)
        if not allowed:
            raise TooManyRequests(retry_after=(1 - tokens) / rate)
