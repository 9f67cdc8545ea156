"""Routes that are loaded late are there for everybody who asks."""

from __future__ import annotations

import sys
import types
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from shared.http.app import create_app
from shared.http.later import at_rest, include_later
from shared.settings import HttpSettings
from shared.testing import eventually


@asynccontextmanager
async def nothing_to_start(_: FastAPI) -> AsyncGenerator[None]:
    yield


@pytest.fixture
def slices() -> Generator[list[str]]:
    """Two modules with a route each, as a slice has them."""
    names = []
    for word in ("first", "second"):
        module = types.ModuleType(f"slice_{word}_{uuid4().hex}")
        router = APIRouter(prefix=f"/api/v1/{word}")

        @router.get("")
        async def answer(word: str = word) -> str:
            return word

        module.router = router  # type: ignore[attr-defined]  # a module made by hand
        sys.modules[module.__name__] = module
        names.append(module.__name__)
    yield names
    for name in names:
        del sys.modules[name]


def service(slices: list[str]) -> FastAPI:
    app = create_app("Test", settings=HttpSettings((), True, False), checks={}, lifespan=nothing_to_start)
    for name in slices:
        include_later(app, name)
    return app


def loaded(app: FastAPI) -> int:
    return len(app.router.routes)


async def test_a_probe_loads_nothing_while_it_is_answered_and_everything_afterwards(slices: list[str]) -> None:
    app = service(slices)
    before = loaded(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/health")).status_code == 200
        assert loaded(app) == before
        await eventually(lambda: loaded(app) == before + len(slices))
        assert (await client.get("/api/v1/second")).json() == "second"


async def test_the_first_request_finds_its_route(slices: list[str]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service(slices)), base_url="http://test") as client:
        assert (await client.get("/api/v1/second")).json() == "second"
        assert (await client.get("/api/v1/first")).json() == "first"
        assert (await client.get("/api/v1/third")).status_code == 404


async def test_the_document_describes_them_all(slices: list[str]) -> None:
    app = service(slices)
    assert {"/api/v1/first", "/api/v1/second"} <= set(app.openapi()["paths"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/api/v1/first")).json() == "first"


def test_an_application_that_knows_no_later_gets_them_now(slices: list[str]) -> None:
    app = FastAPI()
    before = loaded(app)
    include_later(app, slices[0])
    assert loaded(app) == before + 1


@pytest.mark.parametrize("first", ["/health", "/api/v1/first"], ids=["probe", "request"])
async def test_what_can_wait_is_done_once_after_the_first_answer(slices: list[str], first: str) -> None:
    app, done = service(slices), list[int]()
    at_rest(app, lambda: done.append(loaded(app)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get(first)).status_code == 200
        assert done == []
        await eventually(lambda: done)
        await client.get("/api/v1/second")
    assert done == [loaded(app)], "once, and with every route in place"
