"""The whole product without its web app, as `make run ARGS=--no-ui` starts it, on a home and on ports of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from maru.postgres import EmbeddedPostgres, strays

from bench.people import Somebody
from bench.processes import ROOT, DidNotStart, environment, free_port

_SERVICES = ("api", "ingest", "inference", "ui")
_STARTS_WITHIN_S = 120


@dataclass(frozen=True)
class Product:
    """A running `maru up`; `started_s` is the time until its table was printed."""

    process: subprocess.Popen[bytes]
    home: Path
    ports: Mapping[str, int]
    started_s: float

    @property
    def url(self) -> str:
        """The gateway."""
        return f"http://127.0.0.1:{self.ports['api']}"


@contextmanager
def product(
    more: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    flags: tuple[str, ...] = ("--no-ui", "--workers", "0"),
) -> Generator[Product]:
    """Start, and stop at the end; a `home` that is given stays."""
    with tempfile.TemporaryDirectory(prefix="maru-bench-") as folder:
        place = home or Path(folder) / "home"
        ports = {service: free_port() for service in _SERVICES}
        env = environment(
            {
                "MARU_HOME": str(place),
                "MARU_RATE_LIMITS": "off",
                "MARU_LOG_LEVEL": "WARNING",
                **{f"MARU_{service.upper()}_PORT": str(port) for service, port in ports.items()},
                **(more or {}),
            }
        )
        printed = Path(folder) / "terminal"
        started = time.perf_counter()
        with printed.open("wb") as terminal:
            process = subprocess.Popen(
                [sys.executable, "-m", "maru", "up", *flags], env=env, cwd=ROOT, stdout=terminal, stderr=terminal
            )
        try:
            _await_table(process, printed, started + _STARTS_WITHIN_S)
            yield Product(process, place, ports, time.perf_counter() - started)
        finally:
            _stop(process, place)


def search_until_found(person: Somebody, query: str, entry_id: str, within_s: float = 30) -> float:
    """Seconds until the search over HTTP finds an entry."""
    started = time.perf_counter()
    while time.perf_counter() - started < within_s:
        hits = person.post("/api/v1/search", {"query": query, "limit": 5})["hits"]
        if any(hit["entry_id"] == entry_id for hit in hits):
            return time.perf_counter() - started
        time.sleep(0.005)
    raise TimeoutError(f"{query!r} is not found after {within_s} s")


def _await_table(process: subprocess.Popen[bytes], printed: Path, deadline: float) -> None:
    while "\nOpen " not in printed.read_text():
        if process.poll() is not None or time.perf_counter() > deadline:
            raise DidNotStart(printed.read_text()[-600:])
        time.sleep(0.01)


def _stop(process: subprocess.Popen[bytes], home: Path) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        server = EmbeddedPostgres(home)
        strays.stop(server.data, server.cluster)
