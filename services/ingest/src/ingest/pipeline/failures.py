"""What a failure means: whether trying again can help, and what to tell the person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.errors import Problem, Unavailable
from shared.llm.errors import ModelError
from shared.storage.errors import ObjectMissing

MAX_ATTEMPTS = 8
# After all attempts, dependencies that were away are asked again by themselves; a person can do it sooner.
RETRY_LATER_S = 15 * 60.0

_UNFORESEEN = (
    "Something went wrong on our side while this was being understood. Your text and files are kept; try again."
)


class StepTimedOut(Unavailable):
    """A step took longer than it may."""

    code = "step_timeout"
    default_detail = (
        "Understanding this took too long and was stopped. Your text and files are kept; try again, or split it."
    )


class WorkCrashed(Problem):
    """The process died every time it worked on this entry."""

    code = "work_crashed"
    default_detail = (
        "Understanding this has stopped our process several times, so it was set aside. Your text and files are kept."
    )


class TryAgain(Unavailable):
    """The task is to be delivered again."""

    code = "try_again"
    default_detail = "The step did not succeed this time and will be tried again."


@dataclass(frozen=True, slots=True)
class Failure:
    """A cause to show, and whether it may pass; `recovers` when it lies with a dependency and not with us or the entry."""

    code: str
    detail: str
    passing: bool
    recovers: bool

    def document(self, step: str) -> dict[str, Any]:
        """The entry's `error`."""
        return {"code": self.code, "detail": self.detail, "step": step}


def classify(error: Exception) -> Failure:
    """Every exception is one of three: the entry's own fault, a dependency that is away, or ours."""
    match error:
        case TimeoutError():
            return Failure(StepTimedOut.code, StepTimedOut.default_detail, passing=True, recovers=False)
        case ModelError():
            return Failure(error.code, error.detail, passing=error.retryable, recovers=error.retryable)
        case ObjectMissing() | WorkCrashed():
            return Failure(error.code, error.detail, passing=False, recovers=False)
        case Problem() if error.status >= 500:
            return Failure(error.code, error.detail, passing=True, recovers=True)
        case Problem():
            return Failure(error.code, error.detail, passing=False, recovers=False)
        case _:
            return Failure("internal_error", _UNFORESEEN, passing=True, recovers=False)
