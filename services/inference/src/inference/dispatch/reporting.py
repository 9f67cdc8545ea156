"""Taking what workers say of the tasks they were given."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.contracts.dispatch import ReportOutcome

from inference import queue
from inference.dispatch.outputs import names_output
from inference.errors import MetricsTooLarge, problem_of
from inference.queue import VerifiedReport

if TYPE_CHECKING:
    from shared.contracts.dispatch import Heartbeat, NextTask, Released, Report
    from shared.db import Database
    from shared.errors import Problem

    from inference.dispatch.claiming import Claims
    from inference.dispatch.folding import JobFolder
    from inference.dispatch.outputs import Outputs
    from inference.queue import Claimed, Credentials
    from inference.settings import DispatchSettings

_MOST_RUN_S = 10 * 366 * 86_400.0
_MOST_METRICS = 16_384
_NO_REASON = "The worker gave no reason."


class Reports:
    """Reports, heartbeats and hand-backs of all workers of this process."""

    def __init__(
        self,
        database: Database,
        settings: DispatchSettings,
        outputs: Outputs,
        claims: Claims,
        folder: JobFolder,
    ) -> None:
        self._database = database
        self._settings = settings
        self._outputs = outputs
        self._claims = claims
        self._folder = folder

    async def take(self, credentials: Credentials, report: Report) -> str:
        """What the task is now. Raises the problem if the report cannot be taken."""
        outcome = (await self._take_all(credentials, [report], None))[0][0]
        if isinstance(outcome, str):
            return outcome
        raise outcome

    async def exchange(
        self, credentials: Credentials, reports: Sequence[Report], wanted: NextTask | None
    ) -> tuple[list[str | Problem], Claimed | None]:
        """An outcome for each report, in their order, and what was claimed."""
        return await self._take_all(credentials, reports, wanted)

    async def heartbeat(self, credentials: Credentials, heartbeat: Heartbeat) -> str:
        """Keep leases; the answer as JSON text."""
        document, jobs = await queue.heartbeat(
            self._database, credentials, heartbeat.worker_id, heartbeat.tasks, self._settings.lease_s
        )
        if any(task.progress is not None for task in heartbeat.tasks):
            self._folder.touch(jobs)
        return document

    async def release(self, credentials: Credentials, released: Released) -> list[UUID]:
        """Hand tasks back; which of them were held."""
        given_back, jobs = await queue.release(self._database, credentials, released.tasks)
        self._folder.touch(jobs)
        return [UUID(task) for task in given_back]

    async def _take_all(
        self, credentials: Credentials, reports: Sequence[Report], wanted: NextTask | None
    ) -> tuple[list[str | Problem], Claimed | None]:
        outcomes: dict[int, str | Problem] = {}
        claimed: Claimed | None = None
        rounds = _rounds(reports)
        for number, places in enumerate(rounds):
            verdicts = await self._outputs.look_at(credentials, [reports[place] for place in places])
            wrong: dict[int, str | Problem] = {
                place: problem
                for place in places
                if (problem := _too_large(reports[place]) or verdicts.get(reports[place].task_id))
            }
            outcomes |= wrong
            fine = [place for place in places if place not in wrong]
            verified = [_verified(reports[place], reports[place].task_id in verdicts) for place in fine]
            last = wanted is not None and number == len(rounds) - 1
            if last and wanted is not None:
                reported, claimed = await self._claims.exchange(credentials, verified, wanted)
            elif verified:
                reported = await queue.report(self._database, credentials, verified, self._settings.backoff_s)
            else:
                continue
            outcomes |= dict(zip(fine, map(_outcome, reported.outcomes), strict=True))
            self._folder.touch(reported.jobs)
        return [outcomes[place] for place in range(len(reports))], claimed


def outcome_of(task_id: UUID, outcome: str | Problem) -> ReportOutcome:
    """One report's answer within many."""
    if isinstance(outcome, str):
        return ReportOutcome(task_id=task_id, status=outcome)
    return ReportOutcome(task_id=task_id, code=outcome.code, detail=outcome.detail)


def _rounds(reports: Sequence[Report]) -> list[list[int]]:
    """Places of reports, so that no task comes twice in one round; within a round by task, the order in which locks are taken."""
    rounds: list[dict[UUID, int]] = [{}]
    for place, report in enumerate(reports):
        for taken in rounds:
            if report.task_id not in taken:
                taken[report.task_id] = place
                break
        else:
            rounds.append({report.task_id: place})
    return [[taken[task] for task in sorted(taken)] for taken in rounds]


def _too_large(report: Report) -> Problem | None:
    if report.metrics and len(json.dumps(report.metrics)) > _MOST_METRICS:
        return MetricsTooLarge()
    return None


def _outcome(answer: str) -> str | Problem:
    return problem_of(answer) or answer


def _verified(report: Report, looked_at: bool) -> VerifiedReport:
    done = report.status == "done"
    return VerifiedReport(
        report.task_id,
        report.attempt,
        done,
        report.retryable,
        looked_at or not names_output(report),
        report.output_path if done else None,
        None if done else _error(report),
        report.metrics,
        _run_ms(report.metrics),
    )


def _error(report: Report) -> dict[str, Any]:
    if report.error is None or isinstance(report.error, str):
        return {"code": "failed", "detail": report.error or _NO_REASON, "lines": []}
    return report.error.model_dump()


def _run_ms(metrics: dict[str, Any] | None) -> int | None:
    seconds = (metrics or {}).get("run_s")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        return None
    return round(min(max(seconds, 0), _MOST_RUN_S) * 1000)
