"""What this process tells about itself and to whom, read once by whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from shared.settings import Env, SettingMissing

Credentials = Literal["headers", "google"]

_GOOGLE = "https://telemetry.googleapis.com"
_DEFAULT_SAMPLER = "parentbased_traceidratio"
_SAMPLERS = tuple(
    parent + root for parent in ("", "parentbased_") for root in ("always_on", "always_off", "traceidratio")
)


@dataclass(frozen=True, slots=True)
class TraceExport:
    """Where spans go, by OTLP over HTTP. `google` asks for the credentials of the account that the service runs as."""

    endpoint: str
    credentials: Credentials
    headers: str = field(repr=False)
    sampler: str
    ratio: float


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """`project` completes the names of traces in Cloud Logging; None in the other places means: off."""

    level: str
    project: str | None
    service_name: str | None
    release: str
    environment: str
    traces: TraceExport | None
    sentry_dsn: str | None = field(repr=False)

    @classmethod
    def from_env(cls, env: Env) -> TelemetrySettings:
        """`MARU_LOG_LEVEL`, `MARU_TRACES=cloud`, OpenTelemetry's and Sentry's own variables."""
        return cls(
            env.get("MARU_LOG_LEVEL") or "INFO",
            env.get("GOOGLE_CLOUD_PROJECT") or None,
            env.get("OTEL_SERVICE_NAME") or None,
            env.get("SENTRY_RELEASE") or env.get("MARU_VERSION") or env.get("K_REVISION") or "source",
            env.get("SENTRY_ENVIRONMENT") or ("cloud" if env.get("K_SERVICE") else "local"),
            _traces(env),
            env.get("SENTRY_DSN", "").strip() or None,
        )


def _traces(env: Env) -> TraceExport | None:
    place = env.get("MARU_TRACES", "").strip().lower()
    if place not in {"", "off", "cloud"}:
        raise SettingMissing(
            f"MARU_TRACES is {place!r}: use cloud, or leave it out (OTEL_EXPORTER_OTLP_ENDPOINT is for others)."
        )
    exact = env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").strip()
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip() or (_GOOGLE if place == "cloud" else "")
    stopped = (
        env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER", "").lower() == "none"
    )
    if stopped or place == "off" or not (exact or base):
        return None
    endpoint = exact or f"{base.rstrip('/')}/v1/traces"
    if not endpoint.startswith(("https://", "http://")):
        raise SettingMissing(f"OTEL_EXPORTER_OTLP_ENDPOINT is {endpoint!r}: it starts with https:// or http://.")
    sampler = env.get("OTEL_TRACES_SAMPLER", "").strip() or _DEFAULT_SAMPLER
    if sampler not in _SAMPLERS:
        raise SettingMissing(f"OTEL_TRACES_SAMPLER is {sampler!r}: use one of {', '.join(_SAMPLERS)}.")
    headers = env.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS") or ""
    ratio = _ratio(env, default=0.1 if env.get("K_SERVICE") or place == "cloud" else 1.0)
    return TraceExport(endpoint, "google" if place == "cloud" else "headers", headers, sampler, ratio)


def _ratio(env: Env, default: float) -> float:
    text = env.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    try:
        ratio = float(text or default)
    except ValueError:
        ratio = -1
    if not 0 <= ratio <= 1:
        raise SettingMissing(f"OTEL_TRACES_SAMPLER_ARG is {text!r}: use a number from 0 to 1.")
    return ratio
