"""Secrets that may change while a process runs, for those who use them.

A setting is a `Secret`: a plain string, or a value that is asked for each time it is used. `current` reads either.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar, runtime_checkable

K = TypeVar("K")
T = TypeVar("T")

log = logging.getLogger(__name__)


@runtime_checkable
class Rotating(Protocol):
    """A secret that is read again from time to time."""

    @property
    def name(self) -> str:
        """The variable it stands in."""
        ...

    def current(self) -> str:
        """The value as last read; never waits."""
        ...

    async def renewed(self, refused: str) -> bool:
        """Read it again now, since somebody has refused the value `refused`; whether there is another one."""
        ...


@runtime_checkable
class RotatingSource(Protocol):
    """An environment some of whose values may change."""

    def rotating(self, name: str) -> Rotating | None:
        """The value of `name` where it may change, None where it is plain or missing."""
        ...


Secret = str | Rotating


def secret(env: Mapping[str, str], name: str) -> Secret:
    """The value of `name`, empty when it is missing; one that may change where `env` has it so."""
    found = env.rotating(name) if isinstance(env, RotatingSource) else None
    return found if found is not None else env.get(name, "").strip()


def current(value: Secret) -> str:
    """The text of a secret, now."""
    return value if isinstance(value, str) else value.current().strip()


async def renewed(value: Secret, refused: str) -> bool:
    """Whether there is another value than the one that was refused."""
    return False if isinstance(value, str) else await value.renewed(refused)


class Derived(Generic[K, T]):
    """What is made of secrets, made anew when they change.

    Making it the first time may raise. Later, what cannot be made of a new value is logged, and the former one stays: a mistyped secret
    must not stop a service that works.
    """

    def __init__(self, read: Callable[[], K], make: Callable[[K], T]) -> None:
        self._read = read
        self._make = make
        self._seen = read()
        self._made = make(self._seen)

    def get(self) -> T:
        """The thing for the present values."""
        now = self._read()
        if now != self._seen:
            self._seen = now
            try:
                self._made = self._make(now)
            except Exception as failure:  # noqa: BLE001 - whatever is wrong with it, the former value still works
                log.error("a new value of a secret cannot be used; the former one stays (%s)", type(failure).__name__)  # noqa: TRY400 - its words might quote the value
        return self._made
