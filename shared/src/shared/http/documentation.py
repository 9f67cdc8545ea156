"""`/docs`: the interactive documentation, from our own origin alone.

The page holds people's access tokens while they try things, so no script of somebody else's server runs in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse

from shared.errors import NotFound

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def documentation_router(app: FastAPI) -> APIRouter:
    """The page and its three files, which come with the package `fastapi-offline`."""
    router = APIRouter(prefix="/docs", include_in_schema=False)

    @router.get("", response_class=HTMLResponse)
    async def page() -> HTMLResponse:
        from fastapi.openapi.docs import get_swagger_ui_html

        answer = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=app.title,
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon.png",
        )
        answer.headers["content-security-policy"] = _policy(bytes(answer.body).decode())
        return answer

    @router.get("/{name}", response_class=FileResponse)
    async def asset(name: str) -> FileResponse:
        if name not in _ASSETS:
            raise NotFound
        headers = {"cache-control": "public, max-age=86400", "cross-origin-resource-policy": "same-origin"}
        return FileResponse(_folder() / name, media_type=_ASSETS[name], headers=headers)

    return router


def _policy(html: str) -> str:
    """Our own files, and of scripts in the page exactly those that stand in it."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(html))
    inline = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src 'self' {inline}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _folder() -> Path:
    # Found and not imported: the package's own code serves other pages, which we do not need.
    package = find_spec("fastapi_offline")
    if package is None or package.origin is None:
        raise NotFound("The files of this page are not installed. `GET /openapi.json` describes the same.")
    return Path(package.origin).parent / "static"
