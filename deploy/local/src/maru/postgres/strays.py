"""Servers that outlived their owner: found by the name in their command line, stopped in the order that is safe for the data."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from maru.errors import CannotStart

_PROC = Path("/proc")
# Children of a dead postmaster notice within two seconds and leave by themselves; until then they hold the shared memory.
_ORPHANS_LEAVE_S = 10.0
_FAST_SHUTDOWN_S = 60.0


def running(cluster: str) -> list[int]:
    """The process ids of this cluster: the postmaster names it in its arguments, its children in their titles."""
    return [
        pid
        for pid, command in _commands()
        if pid != os.getpid() and cluster in command and "postgres" in command.split("-D")[0]
    ]


def postmaster(data: Path, cluster: str) -> int | None:
    """The process id of the live server on `data`, or None; a number that now belongs to another process is not believed."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pid if pid in running(cluster) else None


def stop(data: Path, cluster: str) -> None:
    """End whatever still serves `data`, and remove its lock file.

    The lock file goes only when no process of the cluster is left: Postgres uses it to find memory that an orphan may still write through.
    """
    pid = postmaster(data, cluster)
    if pid is not None:
        for number, patience_s in ((signal.SIGINT, _FAST_SHUTDOWN_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)):
            _send(pid, number)
            if _gone(cluster, pid, patience_s):
                break
    if not _all_gone(cluster, _ORPHANS_LEAVE_S):
        for orphan in running(cluster):
            _send(orphan, signal.SIGKILL)
        if not _all_gone(cluster, 5.0):
            raise CannotStart(
                f"An earlier Postgres on {data} does not end: stop the processes named {cluster} and start again."
            )
    (data / "postmaster.pid").unlink(missing_ok=True)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _gone(cluster: str, pid: int, within_s: float) -> bool:
    return _until(lambda: pid not in running(cluster), within_s)


def _all_gone(cluster: str, within_s: float) -> bool:
    return _until(lambda: not running(cluster), within_s)


def _until(predicate: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not predicate():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _commands() -> Iterator[tuple[int, str]]:
    if not _PROC.joinpath("self").exists():
        listing = subprocess.run(["ps", "-axo", "pid=,command="], capture_output=True, text=True, check=False).stdout  # noqa: S607 - macOS
        for line in listing.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), command
        return
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                yield (
                    int(entry.name),
                    entry.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
                )
            except OSError:
                continue
