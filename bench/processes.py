"""Processes under measurement: started with a free port, watched, stopped by their own ids."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_POLL_S = 0.002


@dataclass(frozen=True)
class Running:
    """A process that answers on a port; `started_s` is the time from its start to its first 200 on `/health`."""

    process: subprocess.Popen[bytes]
    port: int
    started_s: float

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def resident_mib(self) -> float:
        """Memory of this process alone."""
        return resident_mib(self.process.pid)

    def cpu_s(self) -> float:
        """Processor time used so far, in user and kernel."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class DidNotStart(Exception):
    """The process ended, or did not answer in time."""


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    module: str, env: Mapping[str, str] | None = None, *, arguments: Sequence[str] = (), within_s: float = 60
) -> Generator[Running]:
    """`python -m module` with `PORT` set, from its start to its end."""
    port = free_port()
    command = [sys.executable, "-m", module, *(argument.replace("{port}", str(port)) for argument in arguments)]
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=environment({**(env or {}), "PORT": str(port)}),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _await_health(process, port, started + within_s)
        yield Running(process, port, time.perf_counter() - started)
    finally:
        stop(process)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours with `more`, and with compiled bytecode in a folder of the benchmarks' own: images are built with theirs compiled."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "maru-bench-bytecode"), **more}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and insist after ten seconds."""
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _await_health(process: subprocess.Popen[bytes], port: int, deadline: float) -> None:
    while not is_healthy(port):
        if process.poll() is not None:
            assert process.stderr is not None
            raise DidNotStart(process.stderr.read().decode()[-800:])
        if time.perf_counter() > deadline:
            raise DidNotStart("no 200 on /health in time")
        time.sleep(_POLL_S)


def is_healthy(port: int) -> bool:
    """Whether `/health` answers 200 now."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False
