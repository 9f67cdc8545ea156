"""`/api/v1/worker`: what workers call. Answers of the hot routes come from Postgres as JSON text and leave as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from shared.contracts.dispatch import (
    Drain,
    Exchange,
    Exchanged,
    Heartbeat,
    HeartbeatAnswer,
    Leased,
    NextTask,
    Presigned,
    PresignRequest,
    Registered,
    Registration,
    ReleaseAnswer,
    Released,
    Report,
    Reported,
)

from inference.dispatch.reporting import outcome_of
from inference.routes.bearer import Bearer

if TYPE_CHECKING:
    from inference.dispatch.service import Dispatch


def worker_router(dispatch: Dispatch) -> APIRouter:
    """All routes of workers, the busiest first: they are searched in this order."""
    router = APIRouter(prefix="/api/v1/worker", tags=["worker"])
    _reports(router, dispatch)
    _tasks(router, dispatch)
    _lifecycle(router, dispatch)
    return router


def _lifecycle(router: APIRouter, dispatch: Dispatch) -> None:
    @router.post("/register", summary="Begin")
    async def register(registration: Registration, token: Bearer) -> Registered:
        """Say who one is and what one can do. A worker that asks for tasks without it is registered by that."""
        worker = await dispatch.roster.register(
            token, registration.worker_id, registration.capabilities, registration.version
        )
        return Registered(
            worker_id=registration.worker_id,
            lease_s=dispatch.settings.lease_s,
            heartbeat_s=dispatch.settings.heartbeat_s,
            draining=worker.draining,
        )

    @router.post("/drain", status_code=204, summary="End")
    async def drain(drain: Drain, token: Bearer) -> None:
        """Be given nothing more; what is held stays held, and can be finished or released."""
        await dispatch.roster.drain(token, drain.worker_id)


def _tasks(router: APIRouter, dispatch: Dispatch) -> None:
    @router.post(
        "/next-task",
        response_model=Leased,
        responses={204: {"description": "Nothing to do now"}},
        summary="Ask for tasks",
    )
    async def next_task(wanted: NextTask, token: Bearer, request: Request) -> Response:
        """Tasks that this worker can do, each under a lease. Waits up to `wait_s` for the first one."""
        claimed = await dispatch.claims.next(token, wanted, request.is_disconnected)
        if not claimed.count and not claimed.draining:
            return Response(status_code=204)
        return _json(claimed.document)

    @router.post("/presign", summary="Ask for an address of a file")
    async def presign(wanted: PresignRequest, token: Bearer) -> Presigned:
        """An address to read a held task's input from, or one that takes exactly the announced output."""
        return await dispatch.addresses.presign(token, wanted)


def _reports(router: APIRouter, dispatch: Dispatch) -> None:
    @router.post("/exchange", response_model=Exchanged, summary="Report and ask for more")
    async def exchange(exchange: Exchange, token: Bearer, request: Request) -> Response:
        """Reports and the next claim in one call. `wait_s` counts only where there is nothing to report."""
        outcomes, claimed = await dispatch.exchange(token, exchange, request.is_disconnected)
        told = ",".join(
            outcome_of(report.task_id, outcome).model_dump_json()
            for report, outcome in zip(exchange.reports, outcomes, strict=True)
        )
        document = claimed.document if claimed else '{"tasks":[],"drain":false}'
        return _json(f'{{"reports":[{told}],{document[1:]}')

    @router.post("/report", response_model=Reported, summary="Report a result")
    async def report(report: Report, token: Bearer) -> Response:
        """Say that a task is done or has failed. The same report again gets the same answer."""
        status = await dispatch.reports.take(token, report)
        return _json(f'{{"task_id":"{report.task_id}","status":"{status}"}}')

    @router.post("/heartbeat", response_model=HeartbeatAnswer, summary="Keep leases")
    async def heartbeat(heartbeat: Heartbeat, token: Bearer) -> Response:
        """Extend the leases of held tasks, and hear which of them are lost or cancelled."""
        return _json(await dispatch.reports.heartbeat(token, heartbeat))

    @router.post("/release", summary="Hand tasks back")
    async def release(released: Released, token: Bearer) -> ReleaseAnswer:
        """Give tasks back unfinished; nobody is blamed, and another worker gets them."""
        given_back = await dispatch.release(token, released)
        lost = [task.task_id for task in released.tasks if task.task_id not in given_back]
        return ReleaseAnswer(released=given_back, lost=lost)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")
