"""The process that forks one child for each file: `python -m ingest.sandbox_host CONTROL_FD JOBS_MODULE IDLE_SECONDS`.

It has every parser imported, so a child starts in milliseconds and shares that memory; it has no secret, no connection and, once forked, no way
back. It kills what is over its time, and what nobody waits for any more. It ends when the service does, or after some idle time.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.sandbox_child import run_child
from ingest.sandbox_limits import load_libc
from ingest.sandbox_wire import MAX_REQUEST, Ending, Request

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Mapping

_FDS_OF_A_REQUEST = 3


@dataclass(slots=True)
class _Child:
    pid: int
    deadline: float
    status_fd: int
    timed_out: bool = False


class Host:
    """The loop. One thread, so that forking is safe."""

    def __init__(self, control: socket.socket, jobs: Mapping[str, Any], idle_s: float) -> None:
        self._control = control
        self._jobs = jobs
        self._idle_s = idle_s
        self._children: dict[int, _Child] = {}
        self._libc: ctypes.CDLL = load_libc()
        self._empty = _deleted_folder()
        self._woken, waker = os.pipe()
        os.set_blocking(waker, False)
        os.set_blocking(self._woken, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Until the service closes its end, or nothing has come for the idle time."""
        last_request = time.monotonic()
        while self._children or time.monotonic() - last_request < self._idle_s:
            ready = self._wait()
            if self._control.fileno() in ready:
                if not self._accept():
                    break
                last_request = time.monotonic()
            self._kill_abandoned(ready)
            self._kill_overdue()
            self._reap()
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)

    def _wait(self) -> set[int]:
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._woken, select.POLLIN)
        for child in self._children.values():
            # No event is asked for: POLLERR comes when the reader has closed its end.
            poller.register(child.status_fd, 0)
        now = time.monotonic()
        until = min((child.deadline for child in self._children.values()), default=now + self._idle_s)
        ready = {fd for fd, _ in poller.poll(max(0, until - now) * 1000)}
        if self._woken in ready:
            os.read(self._woken, 4096)
        return ready

    def _accept(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self._control, MAX_REQUEST, _FDS_OF_A_REQUEST)
        if not message:
            return False
        request = Request.decode(message)
        file_fd, result_fd, status_fd = fds
        pid = os.fork()
        if pid == 0:
            run_child(request, self._jobs, file_fd, result_fd, self._libc, self._empty)
        os.close(file_fd)
        os.close(result_fd)
        self._children[pid] = _Child(pid, time.monotonic() + request.limits.wall_s, status_fd)
        return True

    def _kill_abandoned(self, ready: set[int]) -> None:
        for child in self._children.values():
            if child.status_fd in ready:
                os.kill(child.pid, signal.SIGKILL)

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for child in self._children.values():
            if now >= child.deadline:
                child.timed_out = True
                os.kill(child.pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self._children:
            pid, wait_status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.pop(pid)
            try:
                os.write(child.status_fd, Ending(wait_status, child.timed_out).encode())
            except BrokenPipeError:
                pass
            finally:
                os.close(child.status_fd)


def _deleted_folder() -> int:
    path = tempfile.mkdtemp(prefix="maru-empty-")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    Path(path).rmdir()
    return descriptor


def main() -> None:
    """Import the jobs, then serve."""
    control_fd, jobs_module, idle_s = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs = importlib.import_module(jobs_module).JOBS
    gc.collect()
    # Children then share these pages instead of copying them at their first collection.
    gc.freeze()
    Host(socket.socket(fileno=control_fd), jobs, idle_s).serve()


if __name__ == "__main__":
    main()
