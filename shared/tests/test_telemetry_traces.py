"""Spans reach a collector, say nothing about people, and cost a request nothing when the collector is in trouble."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from shared.errors import Unavailable
from shared.http.app import create_app
from shared.settings import HttpSettings, SettingMissing
from shared.telemetry import current_trace, open_telemetry, span, traceparent, tracing
from shared.telemetry.outflow import Outflow
from shared.telemetry.settings import TelemetrySettings
from shared.telemetry.trace_context import incoming_trace
from shared.testing.telemetry_peer import ReceivedSpans, attributes, otlp_peer
from shared.testing.waiting import eventually

MARKER = "dear-diary"
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"

router = APIRouter()


@router.get("/notes/{note}")
async def read(note: str) -> dict[str, str | None]:
    with span("look up", rows=3):
        return {"note": note, "traceparent": traceparent()}


@router.get("/away")
async def away() -> None:
    with span("call"):
        raise Unavailable(MARKER)


@asynccontextmanager
async def nothing_to_start(_: FastAPI) -> AsyncGenerator[None]:
    yield


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app("Test", settings=HttpSettings((), False, False), checks={}, lifespan=nothing_to_start)
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as opened:
        yield opened


@contextmanager
def traced(peer: ReceivedSpans, **more: str) -> Generator[Callable[[], None]]:
    """Traces of this process go to the peer; what is yielded sends what waits."""
    telemetry = open_telemetry("api", TelemetrySettings.from_env({"OTEL_EXPORTER_OTLP_ENDPOINT": peer.url, **more}))
    try:
        yield telemetry.close
    finally:
        peer.release()
        telemetry.close()


async def arrived(peer: ReceivedSpans, number: int) -> list[Any]:
    """The spans that have come, once there are so many; loading the exporter may take longer than the end of a process waits."""
    await eventually(lambda: len(peer.spans()) >= number)
    return peer.spans()


async def test_a_request_is_a_span_named_by_its_route_with_its_work_inside(client: httpx.AsyncClient) -> None:
    with otlp_peer() as peer:
        with traced(peer, OTEL_EXPORTER_OTLP_HEADERS="x-team=maru", GOOGLE_CLOUD_PROJECT="p1", K_REVISION="api-7"):
            answer = await client.get(
                f"/notes/{MARKER}?q={MARKER}",
                headers={"traceparent": f"00-{TRACE}-{CALLER}-01", "x-user": MARKER, "authorization": MARKER},
            )
            assert answer.status_code == 200
        assert not peer.refused
        inner, outer = await arrived(peer, 2)
        assert (outer.name, outer.kind, outer.parent_span_id.hex()) == ("GET /notes/{note}", 2, CALLER)
        assert attributes(outer) == {
            "http.request.method": "GET",
            "http.route": "/notes/{note}",
            "http.response.status_code": 200,
        }
        assert (inner.name, attributes(inner)) == ("look up", {"rows": 3})
        assert inner.parent_span_id == outer.span_id
        assert {inner.trace_id.hex(), outer.trace_id.hex()} == {TRACE}
        # A call of ours continues from where we are.
        assert answer.json()["traceparent"] == f"00-{TRACE}-{inner.span_id.hex()}-01"
        resource = peer.resource()
        assert (resource["service.name"], resource["gcp.project_id"]) == ("maru-api", "p1")
        assert resource["service.version"] == "api-7"
        assert peer.headers[0]["x-team"] == "maru"
        assert MARKER.encode() not in b"".join(peer.bodies)


async def test_a_failure_is_named_by_its_code_and_type_and_not_by_its_words(client: httpx.AsyncClient) -> None:
    with otlp_peer() as peer:
        with traced(peer):
            assert (await client.get("/away")).status_code == 503
        inner, outer = await arrived(peer, 2)
        assert (attributes(inner)["error.type"], attributes(outer)["error.type"]) == ("Unavailable", "unavailable")
        assert (inner.status.code, outer.status.code) == (2, 2)
        assert MARKER.encode() not in b"".join(peer.bodies)


@pytest.mark.parametrize(
    ("sampler", "ratio", "caller", "sampled"),
    [
        pytest.param("parentbased_traceidratio", "0", "01", True, id="caller-says-yes"),
        pytest.param("parentbased_traceidratio", "1", "00", False, id="caller-says-no"),
        pytest.param("parentbased_traceidratio", "1", None, True, id="nobody-says-ratio-one"),
        pytest.param("parentbased_traceidratio", "0", None, False, id="nobody-says-ratio-none"),
        pytest.param("always_on", "", "00", True, id="always"),
        pytest.param("always_off", "", "01", False, id="never"),
    ],
)
async def test_which_requests_are_traced(
    client: httpx.AsyncClient, sampler: str, ratio: str, caller: str | None, sampled: bool
) -> None:
    headers = {"traceparent": f"00-{TRACE}-{CALLER}-{caller}"} if caller else {}
    with otlp_peer() as peer:
        with traced(peer, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=ratio):
            await client.get("/notes/1", headers=headers)
        assert len(await arrived(peer, 2 if sampled else 0)) == (2 if sampled else 0)


async def test_a_collector_that_stalls_holds_no_request_up(client: httpx.AsyncClient) -> None:
    with otlp_peer() as peer, traced(peer) as send_now:
        peer.stall()
        await client.get("/notes/1")
        await eventually(peer.arrived.is_set)
        # One batch is stuck in the collector; requests go on, and so does the end of the process.
        assert [(await client.get("/notes/1")).status_code for _ in range(5)] == [200] * 5
        send_now()
        assert not tracing()
        assert (await client.get("/notes/1")).status_code == 200


async def test_a_collector_that_refuses_or_limits_holds_no_request_up(client: httpx.AsyncClient) -> None:
    with otlp_peer() as peer:
        peer.statuses.extend([429, 503])
        with traced(peer):
            assert (await client.get("/notes/1")).status_code == 200
            # The exporter tries again by itself.
            await eventually(peer.spans)
        with traced(peer):
            peer.statuses.extend([400])
            await client.get("/notes/1")
            await eventually(lambda: not peer.statuses)
            # That batch is lost, the next is not.
            await client.get("/notes/1")
        assert len(await arrived(peer, 4)) == 4


async def test_a_collector_that_is_away_holds_no_request_up(client: httpx.AsyncClient) -> None:
    with otlp_peer() as peer:
        gone = ReceivedSpans(url=peer.url)
    with traced(gone):
        assert (await client.get("/notes/1")).status_code == 200


async def test_outside_a_sampled_request_nothing_is_measured() -> None:
    with otlp_peer() as peer:
        with traced(peer), span("alone"):
            assert current_trace.get() is None
        assert not peer.bodies
    with span("off") as nothing:
        assert nothing is None


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    sent: list[int] = []
    with otlp_peer() as peer:
        peer.stall()

        def send(batch: object) -> None:
            peer.going_on.wait(30)
            sent.extend(batch)  # type: ignore[arg-type]

        outflow = Outflow[int]("test", lambda: send, capacity=3, most_at_once=1, gather_s=0)
        for number in range(50):
            outflow.put(number)
        assert outflow.dropped >= 46
        peer.release()
        outflow.close()
    assert len(sent) + outflow.dropped == 50
    assert sent == sorted(sent)


@pytest.mark.parametrize(
    ("name", "value", "understood"),
    [
        pytest.param("traceparent", f"00-{TRACE}-{CALLER}-01", (TRACE, CALLER, True), id="w3c"),
        pytest.param("traceparent", f"cc-{TRACE}-{CALLER}-00-later", (TRACE, CALLER, False), id="later-version"),
        pytest.param("traceparent", f"00-{TRACE}-{CALLER}-01-more", None, id="more-than-version-0-has"),
        pytest.param("traceparent", f"ff-{TRACE}-{CALLER}-01", None, id="forbidden-version"),
        pytest.param("traceparent", f"00-{'0' * 32}-{CALLER}-01", None, id="no-trace"),
        pytest.param("traceparent", f"00-{TRACE}-{'0' * 16}-01", None, id="no-span"),
        pytest.param("traceparent", f"00-{TRACE.upper()}-{CALLER}-01", None, id="capitals"),
        pytest.param("x-cloud-trace-context", f"{TRACE}/18;o=1", (TRACE, f"{18:016x}", True), id="google"),
        pytest.param("x-cloud-trace-context", TRACE, (TRACE, "0" * 16, False), id="google-trace-alone"),
        pytest.param("x-cloud-trace-context", f"{TRACE}/{1 << 64};o=1", None, id="google-span-too-large"),
        pytest.param("x-cloud-trace-context", "nonsense", None, id="google-nonsense"),
    ],
)
def test_a_caller_names_its_trace(name: str, value: str, understood: tuple[str, str, bool] | None) -> None:
    found = incoming_trace([(name.encode(), value.encode())])
    assert (found and (found.trace_id, found.span_id, found.sampled)) == understood


@pytest.mark.parametrize(
    ("env", "named"),
    [
        pytest.param({"MARU_TRACES": "everywhere"}, "MARU_TRACES", id="place"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT", id="no-scheme"),
        pytest.param({"MARU_TRACES": "cloud", "OTEL_TRACES_SAMPLER": "x"}, "OTEL_TRACES_SAMPLER", id="sampler"),
        pytest.param({"MARU_TRACES": "cloud", "OTEL_TRACES_SAMPLER_ARG": "2"}, "OTEL_TRACES_SAMPLER_ARG", id="ratio"),
    ],
)
def test_a_setting_that_cannot_be_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(SettingMissing, match=named):
        TelemetrySettings.from_env(env)


def test_google_takes_a_tenth_unless_told_otherwise() -> None:
    settings = TelemetrySettings.from_env({"MARU_TRACES": "cloud"}).traces
    assert settings is not None
    assert (settings.endpoint, settings.credentials) == ("https://telemetry.googleapis.com/v1/traces", "google")
    assert settings.ratio == 0.1
    assert TelemetrySettings.from_env({"OTEL_SDK_DISABLED": "true", "MARU_TRACES": "cloud"}).traces is None
