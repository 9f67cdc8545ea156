"""Growing pauses with jitter, so that many workers do not come back in the same moment."""

from __future__ import annotations

import random


class Backoff:
    """Pauses between `first_s` and `longest_s`; full jitter above half of each step. `reset` after a success."""

    def __init__(self, first_s: float = 0.5, longest_s: float = 20.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._failures = 0

    def reset(self) -> None:
        """It worked: the next failure begins anew."""
        self._failures = 0

    def next_s(self, at_least_s: float = 0) -> float:
        """How long to wait now."""
        step = min(self._longest_s, self._first_s * 2 ** min(self._failures, 16))
        self._failures += 1
        return max(random.uniform(step / 2, step), at_least_s)  # noqa: S311 - a pause is no secret
