"""Journeys through a whole installation: the one that the suite starts, or one that runs already.

`MARU_E2E_UI_URL` and `MARU_E2E_API_URL` name a running one, for instance a deployment that is to be walked through.
"""

import os
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from shared.testing.browser import Visit, Visitor, browser, visit_at

__all__ = ["browser", "visit_at"]


@dataclass(frozen=True)
class Installation:
    """Where a browser and a program find it."""

    ui_url: str
    api_url: str


@dataclass(frozen=True)
class Account:
    """Somebody who signed up, with a session for the browser and a client for the api."""

    email: str
    password: str
    name: str
    handle: str
    http: httpx.Client


@pytest.fixture(scope="session")
def installation(request: pytest.FixtureRequest) -> Installation:
    """The product under test."""
    if url := os.environ.get("MARU_E2E_UI_URL"):
        return Installation(url.rstrip("/"), os.environ["MARU_E2E_API_URL"].rstrip("/"))
    product: Any = request.getfixturevalue("product")
    return Installation(product.ui_url.rstrip("/"), product.api_url.rstrip("/"))


@pytest.fixture
def new_account(installation: Installation) -> Any:
    """Make accounts as the sign-up form does."""

    def make(name: str = "지은") -> Account:
        email, password = f"{uuid4().hex[:12]}@example.com", f"pw-{uuid4().hex}"
        http = httpx.Client(base_url=installation.api_url, timeout=20)
        fields = {"email": email, "password": password, "sign_up": True, "name": name}
        ticket = http.post("/api/v1/ui/tickets", json=fields).raise_for_status().json()["ticket"]
        handle = http.post("/api/v1/ui/sessions", json={"ticket": ticket}).raise_for_status().json()["session"]
        token = http.post("/api/v1/ui/sessions/token", json={"session": handle}).raise_for_status().json()
        http.headers["Authorization"] = f"Bearer {token['access_token']}"
        return Account(email, password, name, handle, http)

    return make


@pytest.fixture
def visit(installation: Installation, visit_at: Visit) -> Visit:
    """Open a window on the installation; `who` is signed in already."""

    def visit(who: Account | None = None, **looks: Any) -> Visitor:
        name = "__Host-maru" if installation.ui_url.startswith("https") else "maru_session"
        cookie = {"name": name, "value": who.handle if who else "", "url": installation.ui_url, "httpOnly": True}
        return visit_at(installation.ui_url, cookies=(cookie,) if who else (), **looks)

    return visit
