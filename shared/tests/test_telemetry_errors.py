"""Errors reach Sentry by type and place, and nothing that anybody wrote goes with them."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from shared.http.app import create_app
from shared.settings import HttpSettings
from shared.telemetry import open_telemetry
from shared.telemetry.settings import TelemetrySettings
from shared.testing.telemetry_peer import ReceivedReports, sentry_peer
from shared.testing.waiting import eventually

MARKER = "dear-diary"
log = logging.getLogger("journal")
router = APIRouter()


class Page(BaseModel):
    text: str


@router.post("/pages/{name}")
async def write(name: str, page: Page) -> None:
    kept = f"{page.text} {name}"
    try:
        int(kept)
    except ValueError as cause:
        raise RuntimeError(f"cannot keep {kept}") from cause


@router.post("/logs")
async def complain(page: Page) -> None:
    log.error("cannot keep %s", page.text)
    log.warning("no report: %s", page.text)


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
def reported(peer: ReceivedReports) -> Generator[None]:
    """Errors of this process are reported to the peer, until the end of the block, at which everything has been sent."""
    root = logging.getLogger()
    before = list(root.handlers)
    settings = TelemetrySettings.from_env(
        {"SENTRY_DSN": peer.dsn, "SENTRY_RELEASE": "maru@1", "SENTRY_ENVIRONMENT": "t"}
    )
    telemetry = open_telemetry("api", settings)
    try:
        yield
    finally:
        telemetry.close()
        root.handlers[:] = before


async def fail(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post(
        f"/pages/{MARKER}?q={MARKER}",
        json={"text": MARKER},
        headers={"x-request-id": "request-1234", "cookie": f"a={MARKER}", "authorization": f"Bearer {MARKER}"},
    )


async def test_a_failure_is_reported_without_anything_that_was_written(client: httpx.AsyncClient) -> None:
    with sentry_peer() as peer:
        with reported(peer):
            assert (await fail(client)).status_code == 500
            await eventually(peer.events)
        (event,) = peer.events()
        cause, error = event["exception"]["values"]
        assert (cause["type"], error["type"]) == ("ValueError", "RuntimeError")
        place = error["stacktrace"]["frames"][-1]
        assert (place["function"], place["filename"]) == ("write", __file__)
        assert place["lineno"] > 0
        assert not {"vars", "context_line", "pre_context"} & place.keys()
        assert event["tags"] == {"request_id": "request-1234", "service": "api"}
        assert (event["release"], event["environment"], event["level"]) == ("maru@1", "t", "error")
        assert not {"request", "user", "breadcrumbs", "extra", "server_name", "modules", "message"} & event.keys()
        everything = b"".join(peer.bodies) + str(peer.headers).encode()
        assert MARKER.encode() not in everything


async def test_a_logged_error_is_reported_by_its_place(client: httpx.AsyncClient) -> None:
    with sentry_peer() as peer:
        with reported(peer):
            await client.post("/logs", json={"text": MARKER})
            await eventually(peer.events)
        (event,) = peer.events()
        assert event["transaction"] == "journal.complain"
        assert event["exception"]["values"][0]["stacktrace"]["frames"][0]["function"] == "complain"
        assert MARKER.encode() not in b"".join(peer.bodies)


@pytest.mark.parametrize("status", [429, 500, 403])
async def test_a_receiver_in_trouble_costs_no_request(client: httpx.AsyncClient, status: int) -> None:
    with sentry_peer() as peer:
        peer.statuses.extend([status] * 9)
        with reported(peer):
            assert [(await fail(client)).status_code for _ in range(3)] == [500] * 3
            await eventually(peer.arrived.is_set)
            assert (await fail(client)).status_code == 500


async def test_a_receiver_that_stalls_costs_no_request_and_no_shutdown(client: httpx.AsyncClient) -> None:
    with sentry_peer() as peer:
        peer.stall()
        with reported(peer):
            await fail(client)
            await eventually(peer.arrived.is_set)
            assert (await fail(client)).status_code == 500
        assert not peer.bodies
