"""The gateway in this process, on a database of the test's own, and people who are signed in to it."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import uvicorn
from api.auth.admin import create_admin
from api.main import build_app
from fastapi import FastAPI
from shared.db import Database
from shared.testing.identity import PASSWORD, SignUp, Somebody, auth_environment, public_key_pem
from shared.testing.waiting import eventually_sync

# Modules that stand beside the tests, such as the rules of routes.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def gateway_environment(api_database_url: str, tmp_path: Path) -> dict[str, str]:
    """What the gateway is started with; a test module may override it."""
    return {
        "DATABASE_URL": api_database_url,
        "DATABASE_MAX_CONNECTIONS": "6",
        "MARU_HOME": str(tmp_path),
        "MARU_FILES_KEY": "a key for files in tests",
        "PUSH_AUTH_MODE": "local",
        "MARU_CALLBACK_PUBLIC_KEY": public_key_pem(),
        **auth_environment(),
    }


@pytest.fixture
async def gateway(gateway_environment: dict[str, str]) -> AsyncGenerator[FastAPI]:
    """The running application."""
    app = build_app(gateway_environment)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def nobody(gateway: FastAPI) -> AsyncGenerator[httpx.AsyncClient]:
    """A client without a token."""
    async with client_of(gateway) as client:
        yield client


@pytest.fixture
async def sign_up(gateway: FastAPI, nobody: httpx.AsyncClient) -> AsyncGenerator[SignUp]:
    """Makes accounts: `await sign_up()` or `await sign_up("name")`."""
    clients: list[httpx.AsyncClient] = []

    async def make(name: str = "jiwoo") -> Somebody:
        email = f"{name}-{uuid4().hex[:8]}@example.com"
        answer = await nobody.post(
            "/auth/v1/signup", json={"email": email, "password": PASSWORD, "data": {"name": name}}
        )
        assert answer.status_code == 200, answer.text
        session = answer.json()
        client = client_of(gateway, session["access_token"])
        clients.append(client)
        me = (await client.get("/api/v1/me")).json()
        user = session["user"]["id"]
        return Somebody(client, user, email, session["access_token"], session["refresh_token"], me["personal_space_id"])

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
async def admin(
    gateway: FastAPI, nobody: httpx.AsyncClient, api_database_url: str, database_url: str
) -> AsyncGenerator[Somebody]:
    """An administrator, signed in."""
    email = f"operator-{uuid4().hex[:8]}@example.com"
    ours, owner = Database(api_database_url), Database(database_url)
    user_id = str(await create_admin(ours, owner, email, PASSWORD))
    await ours.close()
    await owner.close()
    credentials = {"email": email, "password": PASSWORD}
    session = (await nobody.post("/auth/v1/token?grant_type=password", json=credentials)).json()
    client = client_of(gateway, session["access_token"])
    space_id = (await client.get("/api/v1/me")).json()["personal_space_id"]
    yield Somebody(client, user_id, email, session["access_token"], session["refresh_token"], space_id)
    await client.aclose()


def client_of(app: FastAPI, access_token: str | None = None) -> httpx.AsyncClient:
    """A client of the application, signed in or not."""
    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://maru.test", headers=headers)


@pytest.fixture
def gateway_url(gateway_environment: dict[str, str]) -> Generator[str]:
    """The application behind a real socket, in a thread of its own, for clients that bring their own HTTP."""
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = build_app({**gateway_environment, "MARU_API_URL": url})
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="gateway")
    thread.start()
    try:
        eventually_sync(lambda: server.started)
        yield url
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
