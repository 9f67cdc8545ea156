"""`command`: runs a program that the operator has named.

It gets no shell, an environment of its own, a folder of its own, limits, and a process group (the child process's) that ends as a whole.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from shared.contracts.runners import CommandParams

from worker.runners.parameters import validated
from worker.runners.protocol import Progress, RunFailed, RunRequest, RunResult

if TYPE_CHECKING:
    from worker.runners.catalog import Catalog, Command

_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
_POLL_S = 0.1
_LAUNCHER = str(Path(__file__).with_name("launcher.py"))


class CommandRunner:
    """See `Runner`."""

    name = "command"

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def time_limit_s(self, request: RunRequest) -> float | None:
        """The shorter of what the operator allows and the job asks for."""
        params, command = self._chosen(request)
        return min(params.timeout_s, command.timeout_s)

    def run(self, request: RunRequest, progress: Progress) -> RunResult:
        """See `Runner`."""
        params, command = self._chosen(request)
        if command.needs_input and request.input is None:
            raise RunFailed("no_input", f"The command {params.command!r} needs an input.")
        output = request.output.with_suffix(command.suffix)
        paths = {"input": str(request.input or os.devnull), "output": str(output)}
        line = command.line(params.arguments, paths)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix="scratch-") as scratch:
            limit = min(command.max_output_bytes, request.max_output_bytes)
            code = _run(command, line, Path(scratch), limit, progress)
        # A program may take the signal for an error like any other.
        full = code != 0 and output.is_file() and output.stat().st_size >= limit
        _judge(params.command, -signal.SIGXFSZ if full else code)
        if not output.is_file() or output.is_symlink():
            raise RunFailed("no_output", f"The command {params.command!r} ended well, but wrote no result.")
        return RunResult(output, command.output_type, command.suffix, {"command": params.command})

    def _chosen(self, request: RunRequest) -> tuple[CommandParams, Command]:
        params = validated(CommandParams, request.params)
        command = self._catalog.commands.get(params.command)
        if command is None:
            raise RunFailed("unknown_command", f"This worker has no command {params.command!r}.", retryable=True)
        return params, command


def _run(command: Command, line: list[str], scratch: Path, max_output_bytes: int, progress: Progress) -> int:
    limits = {resource.RLIMIT_FSIZE: max_output_bytes, resource.RLIMIT_CORE: 0}
    if command.memory_bytes is not None:
        limits[resource.RLIMIT_AS] = command.memory_bytes
    if command.max_processes is not None:
        limits[resource.RLIMIT_NPROC] = command.max_processes
    env = {one: os.environ[one] for one in _PASSED_ON if one in os.environ}
    env |= {"HOME": str(scratch), "TMPDIR": str(scratch)} | command.env
    limited = [f"{number}={limit}" for number, limit in limits.items()]
    process = subprocess.Popen(  # noqa: S603 - the operator's program, without a shell
        [sys.executable, "-I", "-S", _LAUNCHER, *limited, "--", *line], stdin=subprocess.DEVNULL, cwd=scratch, env=env
    )
    while process.poll() is None:
        progress(0)
        time.sleep(_POLL_S)
    return process.returncode


def _judge(name: str, code: int) -> None:
    if code == 0:
        return
    if code == -signal.SIGXFSZ:
        raise RunFailed("output_too_large", f"The command {name!r} wrote more than it may.")
    if code == -signal.SIGKILL:
        raise RunFailed(
            "command_killed", f"The command {name!r} was killed: most likely memory ran out.", retryable=True
        )
    if code < 0:
        raise RunFailed("command_crashed", f"The command {name!r} ended by signal {-code}.", retryable=True)
    raise RunFailed("command_failed", f"The command {name!r} ended with exit status {code}.", retryable=True)
