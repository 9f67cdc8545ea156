"""An image that tests look into and run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.images.catalogue import Image
from deploy.images.engine import Config, Engine


@dataclass
class Opened:
    """An image and its file system."""

    image: Image
    engine: Engine
    config: Config
    root: Path
    _files: list[Path] = field(default_factory=list)

    @property
    def site(self) -> Path:
        """Where other people's packages lie."""
        (found,) = (self.root / "opt" / "maru").glob("lib/python3.*/site-packages")
        return found

    @property
    def stdlib(self) -> Path:
        """Python's own."""
        places = [*self.root.glob("usr/lib/python3.*/os.py"), *self.root.glob("usr/local/lib/python3.*/os.py")]
        return places[0].parent

    def sources(self) -> list[Path]:
        """Every module in it, whoever wrote it."""
        return [path for folder in (self.root / "app", self.site, self.stdlib) for path in folder.rglob("*.py")]

    def run(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, *, stdin: str = "", within_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run something in it to its end."""
        command = self.engine.command(self.image, self.root, env or {}, argv)
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=within_s, check=False)

    def python(self, source: str, env: Mapping[str, str] | None = None) -> str:
        """What a program prints that its own Python runs."""
        done = self.run(["python", "-c", source], env)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout.strip()

    @contextmanager
    def running(self, env: Mapping[str, str], argv: Sequence[str] = ()) -> Generator[subprocess.Popen[str]]:
        """What it starts with, or `argv`, until the end of the block."""
        command = self.engine.command(self.image, self.root, env, argv or self.config.command)
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=30)
