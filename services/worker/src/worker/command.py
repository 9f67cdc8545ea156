"""The command: settings, log, signals, and the agent between them."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from worker.agent import Agent
from worker.exits import CannotWork
from worker.settings import Settings, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger("worker")
_PR_SET_DUMPABLE = 4
# What stands for "read it from stdin".
_STDIN = "-"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def run(argv: Sequence[str]) -> int:
    """One life of the agent; its exit code."""
    try:
        _out_of_sight(argv)
        settings = parse(argv, os.environ, sys.stdin)
        # Children get no MARU_ variable; this one is gone even from our own.
        os.environ.pop("MARU_WORKER_TOKEN", None)
        _log_to_stderr(settings.log_level)
        return asyncio.run(_live(settings))
    except CannotWork as problem:
        print(f"worker: {problem}", file=sys.stderr)  # noqa: T201 - it is a command
        return problem.code


async def _live(settings: Settings) -> int:
    agent = Agent(settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.ending.signalled)
    host = urlsplit(settings.url)
    if host.scheme == "http" and host.hostname not in _LOOPBACK:
        log.warning("The token travels unencrypted to %s: use https outside a network of your own", host.hostname)
    return await agent.run()


def _out_of_sight(argv: Sequence[str]) -> None:
    """Keep the token from other processes of this user: off the list of processes, and out of /proc/PID/environ."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0)
    flags = list(argv)
    for place, argument in enumerate(flags):
        if argument == "--token" and place + 1 < len(flags):
            given, flags[place + 1] = flags[place + 1], _STDIN
        elif argument.startswith("--token="):
            given, flags[place] = argument.removeprefix("--token="), f"--token={_STDIN}"
        else:
            continue
        if given != _STDIN:
            _again_with_stdin(given, flags)


def _again_with_stdin(secret: str, argv: Sequence[str]) -> None:
    """The same process begins anew, with the token on its stdin."""
    reading, writing = os.pipe()
    os.write(writing, secret.encode()[:4096] + b"\n")
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
    os.execv(sys.executable, [sys.executable, "-m", "worker", *argv])  # noqa: S606 - ourselves, without a shell


def _log_to_stderr(level: str) -> None:
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It would log signed addresses, and at DEBUG the headers.
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
