"""From a finished run to an accepted report."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from shared.contracts.dispatch import Presigned, PresignRequest, Report, ReportedError

from worker.refusals import LeaseGone, Refused
from worker.transfer import TransferFailed, size_of
from worker.work import Result

if TYPE_CHECKING:
    from worker.desk import ReportDesk
    from worker.dispatcher import Dispatcher
    from worker.transfer import Transfers
    from worker.work import Work

log = logging.getLogger("worker.delivery")
_UPLOADS_AT_ONCE = 3
# A report that says "done" is refused when the object is not what was announced; then it is sent again.
_TRIES = 3


class Delivery:
    """Uploads and reports, beside the next run."""

    def __init__(self, dispatcher: Dispatcher, transfers: Transfers, desk: ReportDesk) -> None:
        self._dispatcher = dispatcher
        self._transfers = transfers
        self._desk = desk
        self._uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def deliver(self, work: Work) -> None:
        """Until the dispatcher has taken the result, or says that it is not wanted any more."""
        task, result = work.task, work.result
        assert result is not None
        try:
            status = await self._delivered(work, result)
            log.info("%s attempt %d: %s", task.task_id, task.attempt, status)
        except LeaseGone as gone:
            log.info("%s attempt %d is not wanted any more (%s)", task.task_id, task.attempt, gone.code)
        except Refused as refused:
            log.error("%s attempt %d: its report was refused: %s", task.task_id, task.attempt, refused)  # noqa: TRY400

    async def _delivered(self, work: Work, result: Result) -> str:
        for tries_left in reversed(range(_TRIES)):
            if result.error is not None:
                break
            try:
                async with self._uploads:
                    path = await self._uploaded(work, result)
                return await self._desk.report(_done(work, result, path))
            except TransferFailed as failed:
                result = _failed(result, failed.code, str(failed), retryable=failed.retryable)
            except Refused as refused:
                log.warning("%s: %s", work.task.task_id, refused)
                if tries_left == 0:
                    result = _failed(result, "output_refused", str(refused), retryable=False)
        return await self._desk.report(_not_done(work, result))

    async def _uploaded(self, work: Work, result: Result) -> str | None:
        assert result.output is not None
        path = work.folder / result.output
        if size_of(path) == 0:
            raise TransferFailed("output_missing", "The result is not on the worker's disk any more.")
        request = PresignRequest(
            task_id=work.task.task_id,
            attempt=work.task.attempt,
            type="upload_output",
            content_type=result.content_type,
            filename=result.filename,
            size=size_of(path),
            parts=True,
        )

        async def presign() -> Presigned:
            return await self._dispatcher.presign(request)

        return (await self._transfers.upload(presign, path)).output_path


def _failed(result: Result, code: str, detail: str, *, retryable: bool) -> Result:
    failed = Result.failure(code, detail, retryable=retryable)
    failed.metrics = result.metrics
    return failed


def _done(work: Work, result: Result, output_path: str | None) -> Report:
    return Report(
        task_id=work.task.task_id,
        attempt=work.task.attempt,
        status="done",
        output_path=output_path,
        metrics=dict(result.metrics),
    )


def _not_done(work: Work, result: Result) -> Report:
    return Report(
        task_id=work.task.task_id,
        attempt=work.task.attempt,
        status="failed",
        error=result.error or ReportedError(code="failed", detail="The task failed."),
        retryable=result.retryable,
        metrics=dict(result.metrics),
    )
