"""Sends spans by OTLP over HTTP, through OpenTelemetry's own exporter; everything here runs in the thread that sends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from shared.telemetry.settings import TelemetrySettings, TraceExport
from shared.telemetry.spans import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class SpansRefused(Exception):
    """The exporter has given up on a batch."""


def open_otlp(service: str, settings: TelemetrySettings, export: TraceExport) -> Callable[[Sequence[Span]], None]:
    """Loads the exporter; what it returns sends a batch, with the exporter's own retries."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import SpanExportResult

    # It says at length why a batch was refused, quoting the answer; we say that it was.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(
        endpoint=export.endpoint,
        headers=_headers(export.headers) or None,
        session=_google_session() if export.credentials == "google" else None,
    )
    resource = _resource(service, settings)

    def send(batch: Sequence[Span]) -> None:
        if exporter.export([_readable(one, resource) for one in batch]) is not SpanExportResult.SUCCESS:
            raise SpansRefused

    return send


def _headers(text: str) -> dict[str, str]:
    from opentelemetry.util.re import parse_env_headers

    return dict(parse_env_headers(text, liberal=True))


def _google_session() -> Any:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[_SCOPE])
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]


def _resource(service: str, settings: TelemetrySettings) -> Resource:
    from opentelemetry.sdk.resources import Resource

    attributes: dict[str, str] = {"service.version": settings.release}
    attributes["service.name"] = settings.service_name or f"maru-{service}"
    if settings.project:
        # Google's endpoint files spans under the project that this names.
        attributes["gcp.project_id"] = settings.project
    return Resource.create(attributes)


def _readable(span: Span, resource: Resource) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanKind, Status, StatusCode

    attributes = {**span.attributes, **({"error.type": span.error} if span.error else {})}
    return ReadableSpan(
        span.name,
        context=_context(span.trace.trace_id, span.trace.span_id, remote=False),
        parent=_context(span.trace.trace_id, span.parent_id, remote=span.server) if span.parent_id else None,
        resource=resource,
        attributes=attributes,
        kind=SpanKind.SERVER if span.server else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
        start_time=span.started_ns,
        end_time=span.ended_ns,
    )


def _context(trace_id: str, span_id: str, *, remote: bool) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(int(trace_id, 16), int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED))
