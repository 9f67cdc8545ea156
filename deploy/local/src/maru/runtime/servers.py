"""HTTP servers of one event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from maru.errors import CannotStart

if TYPE_CHECKING:
    from fastapi import FastAPI

_KEPT_ALIVE_S = 75


def bind(service: str, host: str, port: int) -> socket.socket:
    """Take the port before anything else is started."""
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise CannotStart(
                f"Port {port}, where {service} is to listen, is in use: stop what uses it, or set MARU_{service.upper()}_PORT to a free one."
            ) from None
        raise CannotStart(
            f"{service} cannot listen on {host}:{port} ({problem.strerror}): set HOST and MARU_{service.upper()}_PORT."
        ) from None


class ServiceServer:
    """One service on its port."""

    def __init__(self, service: str, app: FastAPI, listening: socket.socket) -> None:
        self.service = service
        self._listening = listening
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="on",
            ws="none",
            timeout_keep_alive=_KEPT_ALIVE_S,
            timeout_graceful_shutdown=2,
        )
        self._server = _QuietServer(config)
        self.ended: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when requests are answered."""
        self.ended = asyncio.create_task(self._server.serve(sockets=[self._listening]), name=f"serve-{self.service}")
        while not self._server.started:
            if self.ended.done():
                raise CannotStart(f"{self.service} did not start: the log in MARU_HOME/logs says why.")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Take no new request, give those under way two seconds."""
        self._server.should_exit = True
        if self.ended is not None:
            await asyncio.wait([self.ended], timeout=4)


class _QuietServer(uvicorn.Server):
    """Several servers share one process: signals are its business, not theirs."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the handlers alone."""
        yield
