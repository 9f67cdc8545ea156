"""A job's events for the browser that watches it: its cookie stands for the token, which no script ever has."""

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ui.core import sse, tokens
from ui.core.api import ApiProblem
from ui.core.cookies import session_handle
from ui.edge.ending import ending

# Only events of jobs, so that a cookie can never be spent on any other call.
_EVENTS = re.compile(r"api/v1/jobs/[0-9a-fA-F-]{36}/events")
_POSITION = re.compile(r"[0-9]{1,18}")
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def live(request: Request) -> Response:
    """Pass a stream on from the event that the browser saw last."""
    path = request.path_params["path"]
    handle = session_handle(request.cookies)
    after = request.headers.get("last-event-id") or request.query_params.get("after", "")
    if handle is None or not _EVENTS.fullmatch(path) or (after and not _POSITION.fullmatch(after)):
        return Response(status_code=404)
    try:
        token = await run_in_threadpool(tokens.token_for, handle)
        status, events = await sse.relay(f"/{path}", token, ending, after)
    except ApiProblem as problem:
        return Response(status_code=problem.status if problem.status in (401, 404, 429) else 503)
    if status == 204:
        # Everything was seen: the browser must not come back.
        return Response(status_code=204)
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


def live_route() -> Route:
    return Route("/live/{path:path}", live, methods=["GET"])
