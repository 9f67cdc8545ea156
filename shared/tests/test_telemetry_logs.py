"""Log lines in the form that Cloud Logging reads, beside the trace they belong to."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from shared.http.app import create_app
from shared.settings import HttpSettings
from shared.telemetry import JsonFormatter

TRACE = "0af7651916cd43dd8448eb211c80319c"
log = logging.getLogger("journal")
router = APIRouter()


@router.get("/notes/{note}")
async def read(note: str) -> str:
    log.warning("a page was read")
    return note


@asynccontextmanager
async def nothing_to_start(_: FastAPI) -> AsyncGenerator[None]:
    yield


class Lines(logging.Handler):
    """What would be written to the terminal."""

    def __init__(self, project: str | None) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter("api", project))
        self.lines: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


async def lines_of(
    caplog: pytest.LogCaptureFixture, project: str | None, headers: dict[str, str]
) -> list[dict[str, object]]:
    app = create_app("Test", settings=HttpSettings((), False, False), checks={}, lifespan=nothing_to_start)
    app.include_router(router)
    written, root = Lines(project), logging.getLogger()
    root.addHandler(written)
    try:
        with caplog.at_level(logging.INFO):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
                await client.get("/notes/dear-diary?q=dear-diary", headers=headers)
    finally:
        root.removeHandler(written)
    return [line for line in written.lines if line["logger"] in {"journal", "access"}]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"traceparent": f"00-{TRACE}-00000000000000ff-01"}, id="w3c"),
        pytest.param({"x-cloud-trace-context": f"{TRACE}/255;o=1"}, id="google"),
    ],
)
async def test_every_line_of_a_request_names_its_trace(
    caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    lines = await lines_of(caplog, "my-project", headers)
    assert [line["severity"] for line in lines] == ["WARNING", "INFO"]
    for line in lines:
        assert line["logging.googleapis.com/trace"] == f"projects/my-project/traces/{TRACE}"
        assert line["logging.googleapis.com/spanId"] == "00000000000000ff"
        assert line["logging.googleapis.com/trace_sampled"] is True


async def test_the_access_line_has_the_columns_of_a_request_and_no_content(caplog: pytest.LogCaptureFixture) -> None:
    access = (await lines_of(caplog, None, {}))[-1]
    request = access["httpRequest"]
    assert isinstance(request, dict)
    assert {**request, "latency": ""} == {
        "requestMethod": "GET",
        "requestUrl": "/notes/{note}",
        "status": 200,
        "latency": "",
    }
    assert str(request["latency"]).endswith("s")
    assert "diary" not in json.dumps(access)


async def test_without_a_project_no_trace_is_named(caplog: pytest.LogCaptureFixture) -> None:
    lines = await lines_of(caplog, None, {"traceparent": f"00-{TRACE}-00000000000000ff-01"})
    assert len(lines) == 2
    assert not any(name.startswith("logging.") for line in lines for name in line)
