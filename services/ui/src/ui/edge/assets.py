"""Fonts, the stylesheet and the components' scripts, served by ourselves."""

import hashlib
from importlib.resources import files
from pathlib import Path

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


def assets_folder() -> Path:
    return Path(str(files("ui").joinpath("assets")))


def assets_version() -> str:
    """A short digest of what changes with a release; it is part of the addresses, so that caches follow."""
    digest = hashlib.sha256()
    for path in sorted(assets_folder().rglob("*")):
        if path.suffix in (".css", ".js", ".svg"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


class _Lasting(StaticFiles):
    """Fonts never change under their names and the rest carries a version, so browsers may keep both."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        lasting = path.endswith(".woff2") or b"v=" in scope.get("query_string", b"")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
        return response


def assets_route() -> Mount:
    return Mount("/assets", _Lasting(directory=assets_folder()))
