"""A runner's child process as the agent sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from worker.hosting.messages import FromChild, RunCommand, ToChild
from worker.hosting.tail import Tail
from worker.work import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.runners.loading import Options

_LINE_LIMIT = 1024 * 1024
# How long a warm runner may take to end a run that is not wanted: loading its model again would take longer.
_POLITE_S = {"diffusers": 20.0}


class RunnerProcess:
    """Starts the child when it is needed, keeps it between runs, and starts another when it died."""

    def __init__(self, name: str, options: Options, limit_s: float) -> None:
        self._name = name
        self._options = json.dumps(asdict(options))
        self._limit_s = limit_s
        self._tail = Tail()
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def run(self, command: RunCommand, progress: Callable[[float], None]) -> Result:
        """The run's result, also when the child crashes or takes too long. Cancelled, it ends the run and then itself."""
        self._tail.clear()
        process = await self._started()
        try:
            await self._send(process, ToChild(run=command))
            return await self._until_result(process, progress)
        except asyncio.CancelledError:
            await self._stop_run(process)
            raise

    async def close(self) -> None:
        """End the child."""
        if self._process is not None:
            self._kill(self._process)
            await self._process.wait()
        await self._read_to_end()

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._read_to_end()
        arguments = ("-m", "worker.hosting.child", self._name, self._options)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # A group of its own: everything that a run starts ends with it.
            start_new_session=True,
            limit=_LINE_LIMIT,
            env=_without_secrets(os.environ),
        )
        self._reading = asyncio.create_task(self._read_output(self._process))
        return self._process

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(64 * 1024):
            self._tail.feed(data)

    async def _read_to_end(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            # What a run started and left behind may hold the pipe open.
            await asyncio.wait({reading}, timeout=2)
            reading.cancel()

    async def _send(self, process: asyncio.subprocess.Process, message: ToChild) -> None:
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(message.model_dump_json().encode() + b"\n")
            await process.stdin.drain()

    async def _until_result(self, process: asyncio.subprocess.Process, progress: Callable[[float], None]) -> Result:
        try:
            async with asyncio.timeout(self._limit_s) as limit:
                while (message := await self._next(process)) is not None:
                    if message.limit_s is not None and message.limit_s < self._limit_s:
                        limit.reschedule(asyncio.get_running_loop().time() + message.limit_s)
                    if message.progress is not None:
                        progress(message.progress)
                    if message.result is not None:
                        return self._with_lines(message.result)
        except TimeoutError:
            await self._end(process)
            detail = "The run took too long and was stopped."
            return Result.failure("timeout", detail, lines=self._tail.lines())
        await self._end(process)
        return Result.failure("runner_crashed", _how_it_ended(process.returncode), lines=self._tail.lines())

    async def _next(self, process: asyncio.subprocess.Process) -> FromChild | None:
        assert process.stdout is not None
        line = await process.stdout.readline()
        return FromChild.model_validate_json(line) if line.endswith(b"\n") else None

    def _with_lines(self, result: Result) -> Result:
        if result.error is not None:
            result.error.lines = self._tail.lines()
        return result

    async def _stop_run(self, process: asyncio.subprocess.Process) -> None:
        try:
            if polite_s := _POLITE_S.get(self._name):
                async with asyncio.timeout(polite_s):
                    await self._send(process, ToChild(stop=True))
                    while (message := await self._next(process)) is not None:
                        if message.result is not None:
                            return
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            self._kill(process)
            raise
        await self._end(process)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None and process.stdout is not None and process.stdout.at_eof():
            # It closed its answers, so it is ending: how it ends tells more than our own kill would.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await process.wait()
        self._kill(process)
        await process.wait()
        await self._read_to_end()

    def _kill(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"The runner ended by itself with exit status {code}."
    if code == -signal.SIGKILL:
        return "The runner was killed from outside: most likely the machine ran out of memory."
    try:
        return f"The runner crashed with {signal.Signals(-code).name}."
    except ValueError:
        return f"The runner crashed with signal {-code}."


def _without_secrets(env: os._Environ[str]) -> dict[str, str]:
    """Everything but our own variables, among them the token."""
    return {name: value for name, value in env.items() if not name.startswith("MARU_")}
