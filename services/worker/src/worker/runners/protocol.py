"""What every runner is: a few names and one method, called in a child process of the agent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

Progress = Callable[[float], None]


class RunFailed(Exception):
    """A run that cannot succeed, in words for whoever made the job. `retryable` only where another try may end otherwise."""

    def __init__(self, code: str, detail: str, *, retryable: bool = False) -> None:
        self.code = code
        self.retryable = retryable
        super().__init__(detail)


class RunStopped(BaseException):
    """Raised out of `progress` when the run is not wanted any more; not to be caught."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run. `input_name` is what a person called the input: a label, never a path. Nothing may be written but below `output`'s folder."""

    params: dict[str, Any]
    input: Path | None
    input_name: str
    output: Path
    max_output_bytes: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """The file that was made, in the folder of the request's `output`."""

    path: Path
    content_type: str
    extension: str
    metrics: dict[str, float | int | str | bool] = field(default_factory=dict)


class Runner(Protocol):
    """Made once in a child process and kept warm between runs."""

    @property
    def name(self) -> str:
        """What jobs call it."""
        ...

    def time_limit_s(self, request: RunRequest) -> float | None:
        """After how long a run is certainly stuck; None for the agent's own limit. Raises `RunFailed`."""
        ...

    def run(self, request: RunRequest, progress: Progress) -> RunResult:
        """Do it. `progress` takes 0 to 1 and raises `RunStopped` once the run is not wanted any more. Raises `RunFailed`."""
        ...
