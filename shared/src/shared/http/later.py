"""Routes that are loaded when they are needed: a service that scales to zero listens before it has loaded its features.

Building a route costs about a millisecond, and a gateway has many. The first request that is not a probe loads them all, and so does a moment of rest
after a probe, so that hardly anybody waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

_PROBES = "/health"
_REST_S = 0.2
_BETWEEN_S = 0.02


class LaterRoutes:
    """The routers of an application that are still to be loaded, in the order in which they will be searched."""

    def __init__(self) -> None:
        self._pending: deque[tuple[str, str]] = deque()
        self._afterwards: list[Callable[[], None]] = []

    def add(self, module: str, router: str) -> None:
        """Remember `module.router`; it is imported when it is loaded."""
        self._pending.append((module, router))

    def then(self, job: Callable[[], None]) -> None:
        """Remember what is better done before it is needed, and not before the process answers."""
        self._afterwards.append(job)

    def done(self) -> None:
        """Do what was left for afterwards."""
        jobs, self._afterwards = self._afterwards, []
        for job in jobs:
            job()

    def load_one(self, app: FastAPI) -> bool:
        """Load the next one; False when none is left."""
        if not self._pending:
            return False
        module, router = self._pending.popleft()
        app.include_router(getattr(import_module(module), router))
        return True

    def load(self, app: FastAPI) -> None:
        """Load what is left; a second call does nothing."""
        while self.load_one(app):
            pass


class LoadBeforeUse:
    """Pure ASGI middleware: loads every route before a request that may need it."""

    def __init__(self, inner: ASGIApp, app: FastAPI, later: LaterRoutes) -> None:
        self._inner = inner
        self._app = app
        self._later = later
        self._resting = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        probe = scope["type"] != "http" or scope["path"].startswith(_PROBES)
        if not probe:
            self._later.load(self._app)
        await self._inner(scope, receive, send)
        if scope["type"] == "http" and not self._resting:
            self._resting = True
            asyncio.get_running_loop().call_later(_REST_S, self._load_at_rest)

    def _load_at_rest(self) -> None:
        """One router a turn of the loop, so that a request that comes in between does not wait for more than one."""
        if self._later.load_one(self._app):
            asyncio.get_running_loop().call_later(_BETWEEN_S, self._load_at_rest)
        else:
            self._later.done()


def include_later(app: FastAPI, module: str, router: str = "router") -> None:
    """Include `module.router` when it is needed; in an application that knows no later, now."""
    later: LaterRoutes | None = getattr(app, "later", None)
    if later is None:
        app.include_router(getattr(import_module(module), router))
    else:
        later.add(module, router)


def at_rest(app: FastAPI, job: Callable[[], None]) -> None:
    """Call `job` once the first answer has gone out and the routes are loaded; in an application that knows no later, never."""
    later: LaterRoutes | None = getattr(app, "later", None)
    if later is not None:
        later.then(job)
