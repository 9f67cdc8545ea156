"""Runs one service as one process."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from shared.secret_values import process_environment
from shared.settings import SettingMissing
from shared.telemetry import Telemetry, log_as_json, open_telemetry
from shared.telemetry.settings import TelemetrySettings

_DID_NOT_START = 3


def serve(service: str, factory: str, *, default_port: int) -> None:
    """Serve the application that `factory` (`module:function`) builds on `$PORT` until SIGTERM.

    Cloud Run gives ten seconds after SIGTERM; open streams get eight of them.
    """
    # Start-up makes nothing but what stays: collecting while it does costs a tenth of a cold start and finds nothing.
    gc.disable()
    import uvicorn

    # The server raises the signal again once it has stopped, and by itself that would end us before the last lines below.
    signal.signal(signal.SIGTERM, _end)
    telemetry: Telemetry | None = None
    try:
        settings = TelemetrySettings.from_env(process_environment())
        log_as_json(service, settings.level, settings.project)
        telemetry = open_telemetry(service, settings)
        config = uvicorn.Config(
            factory,
            factory=True,
            host=os.environ.get("HOST", "127.0.0.1" if "K_SERVICE" not in os.environ else "0.0.0.0"),  # noqa: S104 - in a container
            port=int(os.environ.get("PORT") or os.environ.get(f"MARU_{service.upper()}_PORT") or default_port),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=8,
            timeout_keep_alive=75,
            server_header=False,
            ws="none",
            # The application counts the proxies itself; the server would take the entry that anybody may have written.
            proxy_headers=False,
        )
        config.load()
        gc.freeze()
        gc.enable()
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            server.run()
    except SettingMissing as missing:
        sys.exit(f"{service}: {missing}")
    finally:
        if telemetry is not None:
            telemetry.close()
    if not server.started:
        sys.exit(_DID_NOT_START)


def _end(_: int, __: object) -> NoReturn:
    """What was asked to stop and has stopped has not failed."""
    sys.exit(0)
