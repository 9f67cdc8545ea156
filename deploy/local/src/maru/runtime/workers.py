"""The CPU workers of this machine: child processes that know an address and a token, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maru.runtime.worker_tokens import KeptTokens

log = logging.getLogger(__name__)

_HANDS_BACK_WITHIN_S = 5
_STOPS_WITHIN_S = _HANDS_BACK_WITHIN_S + 3.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
# The first page comes before the first task.
_STARTS_AFTER_S = 2.0
# Whoever lived this long did not die of how it was started.
_STEADY_S = 60.0
_NICENESS = 10
_PLAIN = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
# What the person says of this machine; paths and names, which open nothing.
_OPTIONS = ("MARU_WORKER_COMMANDS", "MARU_WORKER_MODELS", "MARU_WORKER_RUNNERS")


@dataclass(frozen=True, slots=True)
class Places:
    """Where workers are called from and what of them lies where. `ids` keeps process ids, so that a child that outlived a killed parent is found."""

    url: str
    ids: Path
    work: Path
    logs: Path


def worker_variables(env: Mapping[str, str], url: str, token: str) -> dict[str, str]:
    """All that a worker is told: no database address and no key reaches a program that opens strangers' files."""
    kept = {name: env[name] for name in (*_PLAIN, *_OPTIONS) if name in env}
    return kept | {"MARU_INFERENCE_URL": url, "MARU_WORKER_TOKEN": token}


class LocalWorker:
    """One worker: started, started again ever more slowly while it keeps dying, stopped."""

    def __init__(self, number: int, env: Mapping[str, str], places: Places, tokens: KeptTokens) -> None:
        self._number = number
        self._env = env
        self._places = places
        self._tokens = tokens
        self._pid_file = places.ids / f"worker-{number}.pid"
        self._log = places.logs / f"worker-{number}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep it running until cancelled, or until its token is taken back."""
        pause_s, token = _FIRST_PAUSE_S, None
        while True:
            began = time.monotonic()
            try:
                if token is None:
                    token = await self._tokens.of(self._number)
                elif not await self._tokens.is_valid(token):
                    log.warning("the token of worker %d was taken back; the next `maru up` makes another", self._number)
                    return
                self._process = await self._launch(token)
                ended = await self._process.wait()
                log.error("worker %d ended with %s; %s says why", self._number, ended, self._log)
            except Exception:
                # Whatever it was, a disk that is full or a database that is away: it is told, and tried again after a pause.
                log.exception("worker %d could not be started", self._number)
            pause_s = _FIRST_PAUSE_S if time.monotonic() - began > _STEADY_S else min(_LONGEST_PAUSE_S, pause_s * 2)
            await asyncio.sleep(pause_s)

    async def stop(self) -> None:
        """Let it hand back what it holds; end it after some seconds."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _STOPS_WITHIN_S)
            except TimeoutError:
                # With all of its session; what it runs leads sessions of their own, and ends when its end of the pipe closes.
                os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
        self._pid_file.unlink(missing_ok=True)

    async def _launch(self, token: str) -> asyncio.subprocess.Process:
        with self._log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *self._command(),
                env=worker_variables(self._env, self._places.url, token),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._pid_file.write_text(str(process.pid))
        return process

    def _command(self) -> list[str]:
        name, folder = f"this-machine-{self._number}", self._places.work / str(self._number)
        argv = [sys.executable, "-m", "worker", "--name", name, "--work-dir", str(folder)]
        argv += ["--grace", str(_HANDS_BACK_WITHIN_S)]
        # The person at this machine comes first.
        if nice := shutil.which("nice"):
            argv = [nice, "-n", str(_NICENESS), *argv]
        # It must not outlive us, however we end.
        if setpriv := shutil.which("setpriv"):
            argv = [setpriv, "--pdeathsig", "KILL", *argv]
        return argv


class LocalWorkers:
    """All workers of this machine."""

    def __init__(self, workers: Sequence[LocalWorker]) -> None:
        self._workers = workers
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin; nobody waits for it."""
        self._running = [asyncio.create_task(_run(worker), name="worker") for worker in self._workers]

    async def stop(self) -> None:
        """End them all, at the same time."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))


async def _run(worker: LocalWorker) -> None:
    await asyncio.sleep(_STARTS_AFTER_S)
    await worker.run()


def stop_strays(ids: Path) -> None:
    """End workers whose parent was killed, where the operating system did not."""
    for path in ids.glob("worker-*.pid"):
        try:
            pid = int(path.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        except (OSError, ValueError):
            continue
        if b"-m worker" in command:
            # Each leads a session of its own, so this takes its runners along.
            os.killpg(pid, signal.SIGKILL)
