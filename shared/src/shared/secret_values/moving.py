"""The values of one source, read together and, where they may change, again and again.

Nobody waits for a value that is only old: a reading begins in a thread of its own, and until it ends the last good value is given. There is no timer,
because a service that scales to zero gets no processor between requests: whoever asks for a value notices that it is time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from shared.secret_values.errors import SecretUnreadable

R = TypeVar("R")
Outcome = str | SecretUnreadable

_AGAIN_AFTER_FAILURE_S = 30.0
_NOT_SOONER_S = 5.0

log = logging.getLogger(__name__)


class MovingValues(Generic[R]):
    """`read` takes references by variable and gives their values; those for which `moves` holds are read again after `fresh_s`."""

    def __init__(
        self,
        read: Callable[[Mapping[str, R]], Mapping[str, Outcome]],
        moves: Callable[[R], bool],
        fresh_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._read = read
        self._moves = moves
        self._fresh_s = fresh_s
        self._clock = clock
        self._found: dict[str, Outcome] = {}
        self._moving: dict[str, R] = {}
        self._reading = threading.Lock()
        self._noticed = threading.Lock()
        self._last = float("-inf")
        self._due = float("inf")

    def hold(self, wanted: Mapping[str, R]) -> None:
        """Read these for the first time; what fails fails whoever asks for it."""
        found = self._read(wanted)
        with self._reading:
            self._found = {**self._found, **found}
            self._moving |= {variable: reference for variable, reference in wanted.items() if self._moves(reference)}
            self._last = self._clock()
            if self._moving:
                self._due = min(self._due, self._last + self._fresh_s)

    def is_moving(self, variable: str) -> bool:
        """Whether its value may change."""
        return variable in self._moving

    def value(self, variable: str) -> str:
        """The last good value; raises `SecretUnreadable` where there has never been one."""
        if self._clock() >= self._due and self._noticed.acquire(blocking=False):
            threading.Thread(target=self._notice, name="secrets-again", daemon=True).start()
        found = self._found[variable]
        if isinstance(found, SecretUnreadable):
            # A new one each time: an exception that is raised twice gathers traces.
            raise SecretUnreadable(str(found))
        return found

    async def renewed(self, variable: str, refused: str) -> bool:
        """Read again because `refused` no longer works; whether there is another value. Not more often than each five seconds."""
        if self.value(variable).strip() != refused:
            return True
        await asyncio.to_thread(self._again)
        return self.value(variable).strip() != refused

    def _notice(self) -> None:
        try:
            self._again()
        finally:
            self._noticed.release()

    def _again(self) -> None:
        with self._reading:
            if self._clock() < self._last + _NOT_SOONER_S:
                return
            outcomes = self._read(self._moving)
            self._last = self._clock()
            failed = [outcome for outcome in outcomes.values() if isinstance(outcome, SecretUnreadable)]
            self._due = self._last + (_AGAIN_AFTER_FAILURE_S if failed else self._fresh_s)
            self._found = {**self._found, **self._better(outcomes)}
        for failure in failed:
            log.warning("a secret could not be read again, so the last value stays: %s", failure)

    def _better(self, outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
        better: dict[str, Outcome] = {}
        for variable, outcome in outcomes.items():
            if isinstance(outcome, SecretUnreadable):
                continue
            if outcome != self._found[variable]:
                log.info("%s has a new value", variable)
            better[variable] = outcome
        return better
