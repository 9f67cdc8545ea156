"""Other queues, each as its documentation runs it, in an environment of their own beside ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import ROOT, free_port, stop

_ENVIRONMENT = ROOT / ".cache" / "bench-peers"
_LOCK = ROOT / "locks" / "bench-peers.txt"
_PROGRAMS = ROOT / "bench" / "peers"
_FINISHES_WITHIN_S = 180


class PeerMissing(Exception):
    """A peer cannot be had on this machine; the message says why."""


def install() -> None:
    """Make the environment hold what the lock names; nothing happens when it already does."""
    stamp, wanted = _ENVIRONMENT / "installed.txt", _LOCK.read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = _output(["deploy/setup/find_uv.sh"])
    python = _output(["deploy/setup/find_python.sh"])
    _output([uv, "venv", "--quiet", "--allow-existing", "--python", python, "--no-python-downloads", str(_ENVIRONMENT)])
    _output([uv, "pip", "sync", "--quiet", "--python", str(_python()), "--require-hashes", str(_LOCK)])
    stamp.write_text(wanted)


def celery(tasks: int) -> float:
    """Tasks a second of Celery with two processes on a Redis that keeps nothing."""
    with _redis() as url:
        return _run("celery_redis.py", url, str(tasks))


def procrastinate(database_url: str, tasks: int) -> float:
    """Tasks a second of a procrastinate worker."""
    return _run("procrastinate_postgres.py", database_url, str(tasks))


def pgqueuer(database_url: str, tasks: int, batch: int) -> float:
    """Tasks a second of PGQueuer, which works in the process that holds the database connection."""
    return _run("pgqueuer_postgres.py", database_url, str(tasks), str(batch))


@contextmanager
def _redis() -> Generator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise PeerMissing("redis-server is not installed on this machine")
    port = free_port()
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        time.sleep(0.5)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        stop(server)


def _run(program: str, *arguments: str) -> float:
    printed = _output([str(_python()), program, *arguments], cwd=_PROGRAMS)
    return float(json.loads(printed.splitlines()[-1])["per_second"])


def _output(command: list[str], cwd: Path = ROOT) -> str:
    try:
        ended = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=_FINISHES_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise PeerMissing(f"{Path(command[0]).name} did not end within {_FINISHES_WITHIN_S} s") from late
    if ended.returncode != 0:
        raise PeerMissing(f"{' '.join(command[:3])}: {ended.stderr.strip().splitlines()[-1:]}")
    return ended.stdout.strip()


def _python() -> Path:
    return _ENVIRONMENT / "bin" / "python"
