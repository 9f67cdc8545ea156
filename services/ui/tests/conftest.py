"""The app as its own process against the contract peer, with a line between browser and app that can be cut."""

import asyncio
import io
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from PIL import Image
from shared.testing.browser import Visit, Visitor, browser, visit_at
from shared.testing.waiting import eventually_sync

__all__ = ["browser", "visit_at"]

_HERE = Path(__file__).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).is_success
    except httpx.HTTPError:
        return False


@dataclass
class Served:
    """A process of ours and where it answers."""

    command: list[str]
    env: dict[str, str]
    url: str
    health: str
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env={**os.environ, **self.env}, stdout=log, stderr=log)
        eventually_sync(lambda: _answers(self.url + self.health), within=40)

    def stop(self, *, hard: bool = False) -> None:
        if self.process is None:
            return
        (self.process.kill if hard else self.process.terminate)()
        self.process.wait(timeout=20)
        self.process = None

    def rss_mib(self) -> float:
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def cpu_s(self) -> float:
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Line:
    """A TCP line to the app that can be cut, blocked and opened again."""

    target: int
    port: int = field(default_factory=_free_port)
    blocked: bool = False

    def __post_init__(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(asyncio.start_server(self._join, "127.0.0.1", self.port), self._loop).result(
            10
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self, *, block: bool = False) -> None:
        self.blocked = block
        self._loop.call_soon_threadsafe(lambda: [writer.transport.abort() for writer in list(self._open)])

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.blocked:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        self._open -= {writer, far_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@dataclass
class Somebody:
    """An account at the peer with an open session."""

    email: str
    password: str
    handle: str
    http: httpx.Client

    def write(self, body: str, **fields: Any) -> dict[str, Any]:
        """An entry that is ready."""
        answer = self.http.post("/api/v1/entries", json={"kind": "note", "body": body, **fields})
        answer.raise_for_status()
        entry: dict[str, Any] = answer.json()
        path = f"/api/v1/entries/{entry['id']}"
        eventually_sync(lambda: self.http.get(path).json()["status"] == "ready", within=15)
        return entry

    @staticmethod
    def picture(color: tuple[int, int, int] = (43, 130, 107)) -> bytes:
        """A small PNG of one colour."""
        data = io.BytesIO()
        Image.new("RGB", (64, 48), color).save(data, "PNG")
        return data.getvalue()

    def photo(self, name: str = "마당.png", color: tuple[int, int, int] = (43, 130, 107)) -> str:
        """A stored picture of one colour; its id."""
        data = self.picture(color)
        wanted = {"filename": name, "content_type": "image/png", "size": len(data)}
        ticket = self.http.post("/api/v1/uploads", json=wanted).raise_for_status().json()
        httpx.put(ticket["url"], content=data, headers=ticket["headers"]).raise_for_status()
        self.http.post(f"/api/v1/uploads/{ticket['id']}/complete").raise_for_status()
        return str(ticket["id"])

    def photos(self, count: int, name: str = "여름") -> list[str]:
        """Many stored pictures of one look, put there without sending each; their ids."""
        made = self.http.post("/control/photos", json={"count": count, "name": name}).raise_for_status()
        ids: list[str] = made.json()["ids"]
        return ids

    def job(self, inputs: list[str], name: str = "흑백으로", **fields: Any) -> str:
        """A submitted job that makes these grey; its id."""
        wanted = {"name": name, "kind": "inference", "runner": "image", "params": {"operation": "grayscale"}, **fields}
        job = self.http.post("/api/v1/jobs", json=wanted).raise_for_status().json()["id"]
        self.http.post(f"/api/v1/jobs/{job}/enqueue", json={"input_paths": inputs}).raise_for_status()
        return str(job)

    def job_ends(self, job: str, status: str = "done") -> dict[str, Any]:
        """The job once it has ended like this."""
        eventually_sync(lambda: self.http.get(f"/api/v1/jobs/{job}").json()["status"] == status, within=30)
        row: dict[str, Any] = self.http.get(f"/api/v1/jobs/{job}").json()
        return row


@dataclass
class Stack:
    """Peer, app and the line between app and browser."""

    peer: Served
    app: Served
    line: Line

    def control(self, **knobs: Any) -> None:
        httpx.post(f"{self.peer.url}/control", json=knobs).raise_for_status()

    def calls(self, prefix: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = httpx.get(f"{self.peer.url}/calls", params={"prefix": prefix}).json()["calls"]
        return rows

    def somebody(self, name: str = "지은") -> Somebody:
        email, password = f"{uuid4().hex[:12]}@example.com", "correct horse"
        http = httpx.Client(base_url=self.peer.url)
        fields = {"email": email, "password": password, "sign_up": True, "name": name}
        ticket = http.post("/api/v1/ui/tickets", json=fields).json()["ticket"]
        handle = http.post("/api/v1/ui/sessions", json={"ticket": ticket}).json()["session"]
        token = http.post("/api/v1/ui/sessions/token", json={"session": handle}).json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        return Somebody(email, password, handle, http)


_KNOBS = {
    "token_delay": 0.02, "first_delay": 0.1, "step_delay": 0.05, "answer_words": 40, "cut_after": 0,
    "fail_entries": False, "fail_uploads": False, "down": False, "write_delay": 0.0, "slow_reads": 0.0,
    "workers": 1, "task_delay": 0.05, "fail_tasks": 0, "programs": ["thumbnail"],
}  # fmt: skip


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    logs = tmp_path_factory.mktemp("ui")
    peer_port, app_port = _free_port(), _free_port()
    peer = Served(
        [sys.executable, str(_HERE / "contract_peer" / "main.py"), str(peer_port)],
        {},
        f"http://127.0.0.1:{peer_port}",
        "/health",
        logs / "peer.log",
    )
    app = Served(
        [sys.executable, "-m", "ui"],
        {"MARU_API_URL": peer.url, "PORT": str(app_port), "HOST": "127.0.0.1"},
        f"http://127.0.0.1:{app_port}",
        "/_stcore/health",
        logs / "app.log",
    )
    try:
        peer.start()
        app.start()
        yield Stack(peer, app, Line(app_port))
    finally:
        app.stop()
        peer.stop()


@pytest.fixture
def stack(running: Stack) -> Stack:
    """The running app with the peer's knobs in their places."""
    running.control(**_KNOBS)
    running.line.blocked = False
    return running


@pytest.fixture
def someone(stack: Stack) -> Somebody:
    return stack.somebody()


@pytest.fixture
def visit(stack: Stack, visit_at: Visit) -> Visit:
    """Open a window; `who` is signed in already."""

    def visit(who: Somebody | None = None, **looks: Any) -> Visitor:
        url = stack.line.url
        session = {"name": "maru_session", "value": who.handle, "url": url, "httpOnly": True} if who else None
        return visit_at(url, cookies=(session,) if session else (), **looks)

    return visit
