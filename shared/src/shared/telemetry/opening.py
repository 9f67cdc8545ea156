"""Opens what the settings ask for, for one process."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

from shared.telemetry.outflow import Outflow
from shared.telemetry.settings import TelemetrySettings
from shared.telemetry.spans import Span, Tracer, install, sampler

_CLOSES_WITHIN_S = 2.0


class Telemetry:
    """The ways out of this process. Client libraries are loaded by the first record that leaves, in a thread of its own."""

    def __init__(self, spans: Outflow[Span] | None, reports: Outflow[Any] | None) -> None:
        self._spans = spans
        self._reports = reports

    def close(self) -> None:
        """Send what waits, within two seconds in all."""
        install(None)
        until = time.monotonic() + _CLOSES_WITHIN_S
        for outflow in (self._reports, self._spans):
            if outflow is not None:
                outflow.close(max(0.0, until - time.monotonic()))


def open_telemetry(service: str, settings: TelemetrySettings) -> Telemetry:
    """Install traces and error reports where they are configured. Nothing is imported, opened or sent yet."""
    spans = reports = None
    if (export := settings.traces) is not None:
        from shared.telemetry.otlp import open_otlp

        spans = Outflow[Span]("spans", partial(open_otlp, service, settings, export))
        install(Tracer(sampler(export.sampler, export.ratio), spans.put))
    if settings.sentry_dsn is not None:
        from shared.telemetry.reports import ErrorReports, open_sentry

        reports = Outflow[Any]("error-reports", partial(open_sentry, service, settings), capacity=100)
        logging.getLogger().addHandler(ErrorReports(reports))
    return Telemetry(spans, reports)
