"""A conversation as a file: the gateway writes it, the browser saves it under the gateway's name."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ui.core import tokens
from ui.core.api import Api, ApiProblem
from ui.core.cookies import session_handle

_FORMATS = ("markdown", "json")
_PASSED_ON = ("content-type", "content-disposition")


async def export(request: Request) -> Response:
    """Answers only to the person whose conversation it is; an unknown one and another's look the same."""
    handle = session_handle(request.cookies)
    form = request.query_params.get("format", _FORMATS[0])
    if handle is None or form not in _FORMATS:
        return Response(status_code=404)
    path = f"/api/v1/conversations/{request.path_params['conversation_id']}/export"
    try:
        token = await run_in_threadpool(tokens.token_for, handle)
        file = await run_in_threadpool(Api(lambda: token).file, path, {"format": form})
    except ApiProblem as problem:
        return Response(status_code=problem.status if problem.status in (401, 404, 429) else 503)
    headers = {name: file.headers[name] for name in _PASSED_ON if name in file.headers}
    return Response(file.content, headers={**headers, "Cache-Control": "no-store"})


def export_route() -> Route:
    return Route("/export/{conversation_id:uuid}", export, methods=["GET"])
