"""The web app as ASGI: Streamlit behind our session routes, headers and assets.

`streamlit run services/ui/src/ui/app.py`, `python -m ui` and any ASGI server (`ui.app:app`) start the same thing.
"""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from streamlit import config

from ui.core.settings import ui_settings
from ui.core.trouble import on_script_error
from ui.edge.assets import assets_route, assets_version
from ui.edge.ending import hear_of_the_end
from ui.edge.export import export_route
from ui.edge.live import live_route
from ui.edge.media import media_route
from ui.edge.middleware import IDENTITY_HEADER, Edge
from ui.edge.routes import session_routes
from ui.warm import import_pages


def refuse_to_serve_unguarded() -> None:
    """Streamlit finds its settings beside the script it is started with; without ours, sessions could be taken over."""
    guarded = config.get_option("server.trustedUserHeaders") == {IDENTITY_HEADER.decode(): "sub"}
    if not (guarded and config.get_option("server.enableXsrfProtection")):
        raise RuntimeError(
            "ui/.streamlit/config.toml was not read: start `python -m ui`, or `streamlit run` on ui/app.py"
        )


@asynccontextmanager
async def lifespan(_app: st.App) -> AsyncIterator[dict[str, Any] | None]:
    """Import what pages use and take it out of the collector's sight, so that reruns do not pay for it."""
    refuse_to_serve_unguarded()
    hear_of_the_end()
    import_pages()
    gc.collect()
    gc.freeze()
    yield None


app = st.App(
    Path(__file__).with_name("script.py"),
    lifespan=lifespan,
    routes=[*session_routes(), media_route(), export_route(), live_route(), assets_route()],
    middleware=[Middleware(Edge, storage_origins=ui_settings().storage_origins, version=assets_version())],
    on_script_error=on_script_error,
)
