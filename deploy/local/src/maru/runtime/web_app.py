"""The web app: a child process, because Streamlit wants an interpreter of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from maru.errors import CannotStart
from maru.runtime.probe import status_of

log = logging.getLogger(__name__)

_HEALTH = "/_stcore/health"
_STARTS_WITHIN_S = 60.0
_STOPS_WITHIN_S = 2.0
_RESTART_PAUSE_S = 1.0


class WebApp:
    """Starts it, starts it again when it dies, stops it."""

    def __init__(self, variables: Mapping[str, str], folder: Path, logs: Path) -> None:
        """`folder` keeps the process id, so that a child that outlived a killed parent is found."""
        self._variables = dict(variables)
        self._pid_file = folder / "ui.pid"
        self._log = logs / "ui.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._variables["PORT"])

    def launch(self) -> None:
        """Start the process; it needs a few seconds, in which other things can start."""
        argv = [sys.executable, "-m", "ui"]
        # The child must not outlive us, however we end.
        if setpriv := shutil.which("setpriv"):
            argv = [setpriv, "--pdeathsig", "KILL", *argv]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                argv,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid))

    async def ready(self) -> None:
        """Wait until it serves pages, and watch over it from then on."""
        deadline = asyncio.get_running_loop().time() + _STARTS_WITHIN_S
        while await status_of("127.0.0.1", self.port, _HEALTH) != 200:
            if self._process is None or self._process.poll() is not None:
                raise CannotStart(
                    f"The web app did not start: {self._log} says why; `--no-ui` starts the rest without it."
                )
            if asyncio.get_running_loop().time() > deadline:
                raise CannotStart(f"The web app did not answer within {_STARTS_WITHIN_S:.0f} s: {self._log} says why.")
            await asyncio.sleep(0.05)
        self._watch = asyncio.create_task(self._keep_alive(), name="web-app")

    async def stop(self) -> None:
        """End it."""
        if self._watch is not None:
            self._watch.cancel()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                await asyncio.to_thread(self._process.wait, _STOPS_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(1)
        self._pid_file.unlink(missing_ok=True)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(_RESTART_PAUSE_S)
            if self._process is not None and self._process.poll() is not None:
                log.error("the web app ended with %s and is started again", self._process.returncode)
                self.launch()


def stop_stray(folder: Path) -> None:
    """End a web app whose parent was killed, where the operating system did not."""
    try:
        pid = int((folder / "ui.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
    except (OSError, ValueError):
        return
    if b"-m ui" in command:
        os.kill(pid, signal.SIGKILL)
