"""The interactive documentation comes from our own origin alone, and runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from playwright.sync_api import expect
from shared.http.app import create_app
from shared.settings import HttpSettings
from shared.testing.browser import Visit, browser, visit_at
from shared.testing.serving import served

__all__ = ["browser", "visit_at"]


def _app() -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        yield

    app = create_app("Sample", settings=HttpSettings((), False, False), checks={}, lifespan=lifespan)

    @app.get("/api/v1/notes/{number}")
    async def note(number: int) -> dict[str, int]:
        """One note."""
        return {"number": number}

    return app


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://maru.test") as nobody:
        yield nobody


@pytest.fixture
def address() -> Generator[str]:
    """The application on a port, in a thread, because the browser's driver keeps this one's loop."""
    ready, stop, found = threading.Event(), asyncio.Event(), list[str]()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        async with served(_app()) as url:
            found.append(url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(30)
    yield found[0]
    loops[0].call_soon_threadsafe(stop.set)
    thread.join(10)


async def test_the_page_names_no_other_server(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.status_code == 200
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "http" not in policy
    scripts = next(rule for rule in policy.split("; ") if rule.startswith("script-src"))
    assert "'unsafe-inline'" not in scripts
    assert "'sha256-" in scripts


@pytest.mark.parametrize("name", ["redoc.standalone.js", "..%2Fcore.py", "swagger-ui-bundle.js.map", "oauth2-redirect"])
async def test_of_the_package_only_what_the_page_needs_is_served(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/docs/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_files_may_be_kept_by_the_browser(client: httpx.AsyncClient) -> None:
    script = await client.get("/docs/swagger-ui-bundle.js")
    assert script.status_code == 200
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == "public, max-age=86400"


@pytest.mark.browser
def test_the_page_shows_the_operations_and_tries_them(visit_at: Visit, address: str) -> None:
    visitor = visit_at(address, language="en")
    refused: list[str] = []
    visitor.page.on("console", lambda line: refused.append(line.text) if _is_refusal(line) else None)
    page = visitor.open("/docs", settled=False)
    page.locator(".opblock-summary-control", has_text="/api/v1/notes/{number}").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_placeholder("number").fill("7")
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
    assert {url.split("/docs")[0].split("/openapi")[0].split("/api")[0] for url in visitor.requests} == {address}
    assert refused == []


def _is_refusal(line: Any) -> bool:
    return "Content Security Policy" in line.text
