"""`python -m worker.hosting.child RUNNER OPTIONS`: one runner in a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO

from worker.hosting.messages import FromChild, RunCommand, ToChild
from worker.runners.loading import Options, load
from worker.runners.protocol import RunFailed, Runner, RunRequest, RunResult, RunStopped
from worker.work import Result

_PROGRESS_EVERY_S = 0.2
_PR_SET_PDEATHSIG = 1


class Child:
    """Reads commands in one thread, runs them in the main thread."""

    def __init__(self, runner: Runner, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._runner = runner
        self._commands = commands
        self._answers = answers
        self._waiting: queue.SimpleQueue[RunCommand] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._told_at = 0.0

    def serve(self) -> None:
        """Run what comes, until the process is killed."""
        threading.Thread(target=self._listen, name="commands", daemon=True).start()
        while True:
            command = self._waiting.get()
            self._tell(FromChild(result=self._run(command)))

    def _listen(self) -> None:
        try:
            for line in self._commands:
                message = ToChild.model_validate_json(line)
                if message.stop:
                    self._stop.set()
                if message.run is not None:
                    self._stop.clear()
                    self._waiting.put(message.run)
        finally:
            # The agent is gone, and with it the lease: whatever runs in this group is nobody's.
            os.killpg(0, signal.SIGKILL)

    def _run(self, command: RunCommand) -> Result:
        began = time.monotonic()
        try:
            request = _request(command)
            self._tell(FromChild(limit_s=self._runner.time_limit_s(request)))
            result = _checked(self._runner.run(request, self._progress), request)
        except RunStopped:
            return Result.failure("stopped", "The run was stopped.")
        except RunFailed as failed:
            return Result.failure(failed.code, str(failed), retryable=failed.retryable)
        except MemoryError:
            return Result.failure("out_of_memory", "There was not enough memory for this task.")
        except Exception as error:  # noqa: BLE001 - a runner's library may raise anything; the task fails, the child goes on
            traceback.print_exc()
            return Result.failure("runner_failed", f"{type(error).__name__}: {error}")
        result.metrics.setdefault("run_s", round(time.monotonic() - began, 4))
        return result

    def _progress(self, done: float) -> None:
        if self._stop.is_set():
            raise RunStopped
        now = time.monotonic()
        if now - self._told_at >= _PROGRESS_EVERY_S:
            self._told_at = now
            self._tell(FromChild(progress=min(1.0, max(0.0, done))))

    def _tell(self, message: FromChild) -> None:
        self._answers.write(message.model_dump_json(exclude_none=True).encode() + b"\n")
        self._answers.flush()


def _request(command: RunCommand) -> RunRequest:
    return RunRequest(
        params=command.params,
        input=Path(command.input) if command.input else None,
        input_name=command.input_name,
        output=Path(command.output),
        max_output_bytes=command.max_output_bytes,
    )


def _checked(result: RunResult, request: RunRequest) -> Result:
    size = result.path.stat().st_size if result.path.is_file() else 0
    if size == 0:
        raise RunFailed("no_output", "The run ended without a result.", retryable=True)
    if size > request.max_output_bytes:
        raise RunFailed(
            "output_too_large", f"The result has {size} bytes; at most {request.max_output_bytes} are taken."
        )
    stem = Path(request.input_name).stem or "result"
    return Result(
        output=result.path.name,
        content_type=result.content_type,
        filename=f"{stem[:200]}{result.extension}",
        metrics=dict(result.metrics),
    )


def _die_with_the_agent() -> None:
    # Linux; elsewhere the end of stdin says the same. A command's own group has to be told first, so there stdin alone does it.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    """Take stdout for answers alone: what libraries print goes to stderr, whose last lines the agent keeps."""
    name, options = sys.argv[1], Options(**json.loads(sys.argv[2]))
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    # Ctrl-C at a terminal reaches the whole group; the agent decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if name != "command":
        _die_with_the_agent()
    Child(load(name, options), sys.stdin.buffer, answers).serve()


if __name__ == "__main__":
    main()
