"""Reading strangers' files in processes that can be killed.

`Sandbox.run` hands an open file to a child with limits on memory, time and everything else, and gets facts and blobs back. Whatever the file
does to that child, the service gets an answer or a `FileRefused` with a stable code. Nothing is started before the first file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from ingest.parse.errors import REFUSALS, FileBroken, ParseOutOfMemory, ParseTimedOut, SandboxAway
from ingest.sandbox_limits import SandboxLimits
from ingest.sandbox_wire import Ending, Output, Request, decode_answer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

JOBS = "ingest.sandbox_jobs"
_GRACE_S = 15
_PIECE = 256 * 1024
_STATUS_BYTES = 4096

log = logging.getLogger(__name__)


class _HostGone(Exception):
    """The host ended without saying how the child did; nothing is known about the file."""


class Sandbox:
    """A pool of at most `workers` children at a time. Safe to share within one event loop; `close` when done."""

    def __init__(
        self,
        *,
        workers: int = 2,
        limits: SandboxLimits | None = None,
        idle_s: float = 60,
        jobs: str = JOBS,
        search_path: Sequence[Path] = (),
    ) -> None:
        self._slots = asyncio.Semaphore(workers)
        self._limits = limits or SandboxLimits()
        self._idle_s = idle_s
        self._jobs = jobs
        self._search_path = search_path
        self._starting = asyncio.Lock()
        self._host: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None

    @property
    def host_pid(self) -> int | None:
        """The host's process, if one is running."""
        return self._host.pid if self._host and self._host.returncode is None else None

    async def run(
        self, job: str, path: Path, options: dict[str, Any] | None = None, limits: SandboxLimits | None = None
    ) -> Output:
        """Let a child do `job` on the file. Raises `FileRefused` (or `FileOversized`) when the file is to blame, else `SandboxAway`."""
        request = Request(job, options or {}, limits or self._limits)
        async with self._slots:
            try:
                return await self._attempt(request, path)
            except _HostGone:
                # It may just have ended for being idle, as the request was on its way.
                log.info("the sandbox host was gone; starting another")
            try:
                return await self._attempt(request, path)
            except _HostGone as gone:
                raise SandboxAway from gone

    async def close(self) -> None:
        """End the host and with it every child."""
        control, self._control = self._control, None
        host, self._host = self._host, None
        if control is not None:
            control.close()
        if host is not None:
            try:
                await asyncio.wait_for(host.wait(), 5)
            except TimeoutError:
                os.kill(host.pid, signal.SIGKILL)
                await host.wait()

    async def _attempt(self, request: Request, path: Path) -> Output:
        control = await self._open()
        result_in, result_out = os.pipe()
        status_in, status_out = os.pipe()
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _send(control, request, [file, result_out, status_out])
            finally:
                os.close(file)
        except BaseException:
            os.close(result_in)
            os.close(status_in)
            raise
        finally:
            os.close(result_out)
            os.close(status_out)
        answer, status = await self._receive(request, result_in, status_in)
        return _judge(answer, Ending.decode(status))

    async def _receive(self, request: Request, result_in: int, status_in: int) -> tuple[bytes, bytes]:
        with closing(await _reading(result_in)) as result, closing(await _reading(status_in)) as status:
            try:
                async with asyncio.timeout(request.limits.wall_s + _GRACE_S):
                    answer = await result.read(request.limits.result_bytes)
                    ending = await status.read(_STATUS_BYTES)
            except TimeoutError as stuck:
                await self._abandon()
                raise _HostGone from stuck
        if not ending:
            await self._abandon()
            raise _HostGone
        return answer, ending

    async def _open(self) -> socket.socket:
        async with self._starting:
            if self._control is None or self._host is None or self._host.returncode is not None:
                await self._start()
            assert self._control is not None
            return self._control

    async def _start(self) -> None:
        await self._abandon()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._host = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-s", "-m", "ingest.sandbox_host", str(theirs.fileno()), self._jobs, str(self._idle_s)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=self._environment(),
                start_new_session=True,
            )
        self._control = ours

    async def _abandon(self) -> None:
        control, self._control = self._control, None
        host, self._host = self._host, None
        if control is not None:
            control.close()
        if host is not None and host.returncode is None:
            # Not `host.kill`: it would reap a host that is already dead, behind the back of whoever waits for it.
            with suppress(ProcessLookupError):
                os.kill(host.pid, signal.SIGKILL)
            await host.wait()

    def _environment(self) -> dict[str, str]:
        """Nothing of ours but where modules are: a file that breaks out of a parser finds no secret."""
        inherited = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
        path = [*(str(folder) for folder in self._search_path), *inherited]
        return {"LANG": "C.UTF-8", "PYTHONHASHSEED": "random", "PYTHONPATH": os.pathsep.join(path)}


class _Reading:
    """A pipe that is read to its end, or to a limit."""

    def __init__(self, stream: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self._stream = stream
        self._transport = transport

    async def read(self, limit: int) -> bytes:
        received = bytearray()
        while piece := await self._stream.read(_PIECE):
            received += piece
            if len(received) > limit:
                raise FileBroken("The file unpacks to more than can be kept. Split it and upload the parts.")
        return bytes(received)

    def close(self) -> None:
        self._transport.close()


async def _reading(fd: int) -> _Reading:
    stream = asyncio.StreamReader(limit=_PIECE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(fd, "rb", buffering=0)
    )
    return _Reading(stream, transport)


def _send(control: socket.socket, request: Request, fds: list[int]) -> None:
    try:
        socket.send_fds(control, [request.encode()], fds)
    except OSError as gone:
        raise _HostGone from gone


def _judge(answer: bytes, ending: Ending) -> Output:
    """What the child said, or what its end says about the file."""
    if ending.timed_out:
        raise ParseTimedOut
    if os.WIFSIGNALED(ending.wait_status):
        match os.WTERMSIG(ending.wait_status):
            case signal.SIGXCPU:
                raise ParseTimedOut
            case signal.SIGKILL:
                raise ParseOutOfMemory
            case _:
                raise FileBroken
    header, blobs = decode_answer(answer)
    error, facts = header.get("error"), header.get("facts")
    if error is not None:
        _refuse(error)
    if not isinstance(facts, dict):
        raise FileBroken
    return Output(facts, blobs)


def _refuse(error: Any) -> None:
    if not isinstance(error, dict):
        raise FileBroken
    log.info("a file was refused: %s", json.dumps({"code": error.get("code"), "cause": error.get("cause")}))
    refusal = REFUSALS.get(str(error.get("code")), FileBroken)
    raise refusal(str(error.get("detail") or "") or None)
