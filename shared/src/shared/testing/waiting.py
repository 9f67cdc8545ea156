"""Waiting for something that happens elsewhere, with a deadline instead of a sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], within: float = 10.0, every: float = 0.02) -> T: ...
@overload
async def eventually(predicate: Callable[[], T], within: float = 10.0, every: float = 0.02) -> T: ...
async def eventually(predicate: Callable[[], T | Awaitable[T]], within: float = 10.0, every: float = 0.02) -> T:
    """Ask `predicate` until its answer is truthy, and return that answer.

    An AssertionError inside it counts as "not yet". After `within` seconds the last answer, or the last failed assertion, is what fails the test.
    """
    deadline = time.monotonic() + within
    while True:
        failed: AssertionError | None = None
        answer: T | None = None
        try:
            found = predicate()
            answer = await found if inspect.isawaitable(found) else found
        except AssertionError as not_yet:
            failed = not_yet
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {within} s") from failed
        await asyncio.sleep(every)


def eventually_sync(predicate: Callable[[], T], within: float = 10.0, every: float = 0.02) -> T:
    """`eventually` for tests without an event loop."""
    deadline = time.monotonic() + within
    while True:
        failed: AssertionError | None = None
        answer: T | None = None
        try:
            answer = predicate()
        except AssertionError as not_yet:
            failed = not_yet
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"still {answer!r} after {within} s") from failed
        time.sleep(every)
