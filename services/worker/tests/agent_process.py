"""The real `python -m worker` as a process, and pictures to give it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher_peer import DispatcherPeer
from PIL import Image
from programs import Programs


def picture(width: int = 24, height: int = 16, kind: str = "PNG", mode: str = "RGB", color: object = "teal") -> bytes:
    """A picture's bytes."""
    file = io.BytesIO()
    Image.new(mode, (width, height), color).save(file, kind)  # type: ignore[arg-type]
    return file.getvalue()


@dataclass
class AgentProcess:
    """One `python -m worker`; its output is read all the time."""

    process: subprocess.Popen[bytes]
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode())

    @property
    def output(self) -> str:
        """Everything it printed so far."""
        return "".join(self.lines)

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, and wait."""
        self.process.kill()
        self.process.wait(10)

    def wait(self, within: float = 60) -> int:
        """Its exit code, once it has ended and all of its output is read."""
        code = self.process.wait(within)
        self._reading.join(5)
        return code


@dataclass
class Starter:
    """Starts agents in one work folder against one peer."""

    peer: DispatcherPeer
    work_dir: Path
    programs: Programs
    started: list[AgentProcess] = field(default_factory=list)

    def __call__(self, *flags: str, env: dict[str, str] | None = None, token: str | None = None) -> AgentProcess:
        """An agent with these flags beside the usual ones; the token goes by stdin."""
        arguments = ["--url", self.peer.url, "--token", "-", "--name", "peer-worker", "--work-dir", str(self.work_dir)]
        arguments += ["--commands", str(self.programs.catalog)]
        agent = self.bare(*arguments, *flags, env=env, stdin=token or self.peer.token)
        self.started.append(agent)
        return agent

    def bare(self, *arguments: str, env: dict[str, str] | None = None, stdin: str = "") -> AgentProcess:
        """An agent with these flags and no others."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("MARU_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=clean | (env or {}),
        )
        assert process.stdin is not None
        process.stdin.write(stdin.encode() + b"\n")
        process.stdin.close()
        agent = AgentProcess(process)
        self.started.append(agent)
        return agent

    def close(self) -> None:
        """End what still runs."""
        for agent in self.started:
            if agent.process.poll() is None:
                agent.kill()
