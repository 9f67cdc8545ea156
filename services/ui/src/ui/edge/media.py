"""Files for pictures and players: the browser names a file, the gateway answers where it lies for a few minutes."""

import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ui.core import tokens
from ui.core.api import Api, ApiProblem, public_url
from ui.core.cookies import session_handle

# Only the gateway's own links to files, so that a cookie can never be spent on any other call.
_FILE = re.compile(
    r"api/v1/(?:(?:uploads|files|entries)/[A-Za-z0-9-]+(?:/[A-Za-z0-9-]+){0,4}"
    r"|tasks/[A-Za-z0-9-]+/(?:input|output))"
)
_VARIANTS = ("thumbnail",)


async def media(request: Request) -> Response:
    """Redirect to the short-lived address; the bytes never pass through here."""
    path = request.path_params["path"]
    handle = session_handle(request.cookies)
    if handle is None or not _FILE.fullmatch(path):
        return Response(status_code=404)
    variant = request.query_params.get("variant")
    asked = f"/{path}?variant={variant}" if variant in _VARIANTS else f"/{path}"
    try:
        token = await run_in_threadpool(tokens.token_for, handle)
        location = await run_in_threadpool(Api(lambda: token).redirect, asked)
    except ApiProblem as problem:
        return Response(status_code=problem.status if problem.status in (401, 404, 429) else 503)
    return RedirectResponse(public_url(location), 302, headers={"Cache-Control": "private, max-age=60"})


def media_route() -> Route:
    return Route("/file/{path:path}", media, methods=["GET"])
