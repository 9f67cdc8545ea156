"""How many tasks to claim now, pure: enough that the next one is there when one ends, and no more than that, since others could do them meanwhile."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Tasks this short are claimed several at a time: a call for each would take longer than the work.
SHORT_S = 0.5
_BATCH_S = 2.0
_LARGEST_BATCH = 16
# Nothing is claimed ahead of a run that goes on for longer.
AHEAD_S = 120.0
_WEIGHT = 0.3
_RUNS_TO_KNOW = 3


@dataclass(slots=True)
class Pace:
    """What past runs took."""

    prefetch: int
    _runs: int = 0
    _mean_s: float = 0

    def ran(self, seconds: float) -> None:
        """A run took so long."""
        self._mean_s = seconds if self._runs == 0 else (1 - _WEIGHT) * self._mean_s + _WEIGHT * seconds
        self._runs += 1

    def batch(self) -> int:
        """How many tasks make one round trip worth while; 1 unless they are known to be short."""
        if self.prefetch == 0 or self._runs < _RUNS_TO_KNOW or self._mean_s >= SHORT_S:
            return 1
        return min(_LARGEST_BATCH, math.ceil(_BATCH_S / max(self._mean_s, 0.01)))

    def wanted(self, *, held: int, elapsed_s: float | None, progress: float | None) -> int:
        """How many to claim, when `held` are claimed and not done; `elapsed_s` and `progress` are those of the run that goes on, if one does."""
        if held == 0:
            return self.batch()
        if elapsed_s is not None and (self._left_s(elapsed_s, progress) or 0) > AHEAD_S:
            return 0
        return max(0, 1 + max(self.prefetch, self.batch() - 1) - held)

    def _left_s(self, elapsed_s: float, progress: float | None) -> float | None:
        """How long the run still takes; None when nothing tells."""
        if progress is not None and progress >= 0.02:
            return elapsed_s * (1 - progress) / progress
        return self._mean_s - elapsed_s if self._runs else None
