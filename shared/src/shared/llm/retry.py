"""Retries of a call that has had no effect yet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.llm.errors import ModelError, ModelRateLimited, ModelUnavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all; waits double from `first_wait_s`, half of each at random.

    What the provider asks for (`Retry-After`) wins, up to `longest_wait_s`: a person is waiting.
    """

    attempts: int = 3
    first_wait_s: float = 0.4
    longest_wait_s: float = 8.0

    def wait_s(self, attempt: int, error: ModelError) -> float | None:
        """Seconds before the next attempt (`attempt` counts from 1), None to give up."""
        if (
            attempt >= self.attempts
            or not error.retryable
            or not isinstance(error, ModelUnavailable | ModelRateLimited)
        ):
            return None
        asked = error.retry_after if isinstance(error, ModelRateLimited) else 0.0
        if asked > self.longest_wait_s:
            return None
        backoff: float = min(self.first_wait_s * 2.0 ** (attempt - 1), self.longest_wait_s)
        return max(asked, backoff * random.uniform(0.5, 1))  # noqa: S311 - spreads load, guards nothing


async def with_retries(policy: RetryPolicy, operation: Callable[[], Awaitable[T]]) -> T:
    """Run `operation` until it works or the policy gives up; the last error is raised."""
    attempt = 1
    while True:
        try:
            return await operation()
        except ModelError as error:
            wait = policy.wait_s(attempt, error)
            if wait is None:
                raise
        await asyncio.sleep(wait)
        attempt += 1
