"""What workers are told when something cannot be done."""

from __future__ import annotations

from shared.errors import Conflict, NotFound, Problem, Unauthenticated, Unprocessable


class WorkerTokenInvalid(Unauthenticated):
    """No worker's token, or one with another secret."""

    code = "worker_token_invalid"
    title = "Not a worker's token"
    default_detail = (
        "Send a worker token as `Authorization: Bearer wk_…`. `maru worker token create --name NAME` makes one."
    )


class WorkerTokenExpired(Unauthenticated):
    """A version whose time is over."""

    code = "worker_token_expired"
    title = "The worker's token has expired"
    default_detail = "This version of the token has expired. Rotate it and give the worker the new one."


class WorkerTokenRevoked(Unauthenticated):
    """An administrator took it back."""

    code = "worker_token_revoked"
    title = "The worker's token was revoked"
    default_detail = "An administrator has revoked this token. `maru worker token create --name NAME` makes another."


class LeaseLost(Conflict):
    """The attempt is over: somebody else has the task, or may have it next."""

    code = "lease_lost"
    title = "The task is no longer yours"
    default_detail = "This attempt does not hold the task, or no longer. Drop it and ask for the next task."


class TaskCancelled(Conflict):
    """A person cancelled the task while it was worked on."""

    code = "task_cancelled"
    title = "The task was cancelled"
    default_detail = "The task was cancelled. Drop it and ask for the next task."


class TaskNotFound(NotFound):
    """No such task, or none that this token may know of."""

    code = "task_not_found"
    title = "There is no such task"
    default_detail = "There is no such task, or it is outside what this token is for."


class UploadIncomplete(Unprocessable):
    """An upload needs to be described."""

    code = "upload_incomplete"
    default_detail = "For `upload_output` send `content_type`, `size` in bytes and `filename`."


class OutputTypeNotTaken(Unprocessable):
    """A type that nobody would know how to show or check."""

    code = "output_type_not_taken"
    default_detail = (
        "Outputs of this type are not taken; `application/octet-stream` is for what has no type of its own."
    )


class OutputTooLarge(Unprocessable):
    """More than one address can take."""

    code = "output_too_large"
    default_detail = "An output may have 5 GiB at most."


class OutputNotAllowed(Unprocessable):
    """A report names something that this attempt was not given an address for."""

    code = "output_not_allowed"
    default_detail = (
        "`output_path` is not the one that `presign` gave to this attempt. Upload there and report that path."
    )


class OutputMissing(Unprocessable):
    """Nothing was uploaded."""

    code = "output_missing"
    default_detail = "Nothing lies at `output_path`. Upload the output, then report again; the lease continues."


class OutputDiffers(Unprocessable):
    """Something else was uploaded than what was announced."""

    code = "output_differs"
    default_detail = "What lies at `output_path` is not what was announced. Ask for a new address and upload it again; the lease continues."


class MetricsTooLarge(Unprocessable):
    """Figures about a task, not a place for its results."""

    code = "metrics_too_large"
    default_detail = "`metrics` may have 16 KiB as JSON. Results belong into the output."


class InputMissing(NotFound):
    """The task has no file to work on."""

    code = "input_missing"
    default_detail = "This task has no input file."


_BY_CODE: dict[str, type[Problem]] = {
    problem.code: problem
    for problem in (WorkerTokenInvalid, WorkerTokenExpired, WorkerTokenRevoked, LeaseLost, TaskCancelled, TaskNotFound)
}


def problem_of(code: str) -> Problem | None:
    """The problem that a statement of the queue names by its code; None for what is no problem."""
    kind = _BY_CODE.get(code)
    return kind() if kind else None
