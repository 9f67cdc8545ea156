"""Bodies of `/api/v1/jobs/{id}/file-results`, and the messages behind them."""

from uuid import UUID

from pydantic import BaseModel


class SkippedResult(BaseModel):
    """A result that did not become an entry, and why."""

    task_id: UUID
    seq: int
    code: str
    detail: str


class ResultFiling(BaseModel):
    """How far the filing of a job's results is: `done` results are `filed`, `waiting` or `skipped`. At most a hundred are named in `reasons`."""

    job_id: UUID
    file_results: bool
    done: int
    filed: int
    waiting: int
    skipped: int
    reasons: list[SkippedResult]


class TaskFinished(BaseModel):
    """`task.finished`, as the dispatcher tells it."""

    task_id: UUID
    space_id: UUID
    status: str
    file_results: bool = False


class FileResult(BaseModel):
    """`file-result`: one result is to become an entry, of `user_id` or else of the job's owner."""

    task_id: UUID
    space_id: UUID
    user_id: UUID | None = None


class FileJobResults(BaseModel):
    """`file-job-results`: so are all results of a job after the task numbered `after`. `request_id` tells one wish from the next."""

    job_id: UUID
    space_id: UUID
    user_id: UUID
    request_id: UUID
    after: int = -1
