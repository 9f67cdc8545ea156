"""The real product in a process of its own, for tests that use it as its users do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from shared.testing.ports import free_ports
from shared.testing.service_process import plain_environment

_SERVICES = ("api", "ingest", "inference", "ui")
_STARTS_WITHIN_S = 120.0


@dataclass
class Product:
    """One `maru up` on a home and on ports of its own; it may be started, stopped and killed any number of times."""

    home: Path
    flags: tuple[str, ...] = ("--no-ui", "--workers", "0")
    env: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=lambda: dict(zip(_SERVICES, free_ports(len(_SERVICES)), strict=True)))
    process: subprocess.Popen[bytes] | None = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['api']}"

    @property
    def ui_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['ui']}"

    @property
    def terminal(self) -> Path:
        """What it printed, of all starts."""
        return self.home.parent / f"{self.home.name}.terminal"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every command on this home; nothing of the machine's own configuration reaches it."""
        ports = {f"MARU_{service.upper()}_PORT": str(port) for service, port in self.ports.items()}
        return plain_environment() | ports | {"MARU_HOME": str(self.home), "MARU_RATE_LIMITS": "off"} | self.env

    def launch(self, *flags: str) -> subprocess.Popen[bytes]:
        """Begin to start; `start` also waits."""
        with self.terminal.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "maru", "up", *(flags or self.flags)],
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self.process

    def start(self, *flags: str) -> Product:
        """Start, and return when it says that it is up."""
        seen = self.terminal.read_text().count("\nOpen ") if self.terminal.exists() else 0
        self.launch(*flags)
        deadline = time.monotonic() + _STARTS_WITHIN_S
        while self.terminal.read_text().count("\nOpen ") == seen:
            assert self.process is not None
            assert self.process.poll() is None, f"it ended: {self.terminal.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"it does not start: {self.terminal.read_text()[-2000:]}"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """Kill -9, as a power cut or the kernel's memory killer would; what it had started ends by itself."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ctrl-C, and its exit status."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)

    def command(self, *arguments: str, stdin: str = "", timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run another `maru` command on this home."""
        argv = [sys.executable, "-m", "maru", *arguments]
        return subprocess.run(
            argv, env=self.variables, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.api_url, timeout=30, trust_env=False)


NewProduct = Callable[..., Product]


@pytest.fixture
def new_product(tmp_path: Path) -> Generator[NewProduct]:
    """Makes products that end with the test."""
    made: list[Product] = []

    def make(home: str = "home", **options: object) -> Product:
        product = Product(tmp_path / home, **options)  # type: ignore[arg-type]
        made.append(product)
        return product

    yield make
    for product in made:
        end(product)


@pytest.fixture(scope="session")
def product_type() -> type[Product]:
    """For a home that several tests share and that needs no running product."""
    return Product


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Generator[Product]:
    """One running product, web app included, shared by tests that only use it."""
    shared = Product(tmp_path_factory.mktemp("product") / "home", flags=("--ui", "--workers", "0")).start()
    yield shared
    end(shared)


def end(product: Product) -> None:
    """Leave no process behind, whatever the test did."""
    from maru.postgres import EmbeddedPostgres, strays

    try:
        product.stop()
    except subprocess.TimeoutExpired:
        product.kill()
    server = EmbeddedPostgres(product.home)
    strays.stop(server.data, server.cluster)
