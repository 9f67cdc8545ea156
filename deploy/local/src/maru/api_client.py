"""The product's HTTP API as the commands of this package use it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 120
_POLL_S = 0.3


class Refused(Exception):
    """The product answered a call with an error; the message quotes it."""


class ApiClient:
    """Calls as one person. A rate limit is waited out; any other error is `Refused`."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def sign_up_or_in(self, email: str, password: str, name: str) -> None:
        """Act as this account from now on; it is made when it does not exist."""
        credentials = {"email": email, "password": password}
        answer = await self._http.post("/auth/v1/signup", json={**credentials, "data": {"name": name}})
        if answer.status_code == 422:
            answer = await self._http.post("/auth/v1/token", params={"grant_type": "password"}, json=credentials)
        document = _document(answer)
        if not answer.is_success:
            raise Refused(f"{email} cannot sign in: {document.get('message') or answer.text[:300]}")
        if "access_token" not in document:
            raise Refused(f"{self._http.base_url} is no Maru: give the address of its api")
        self._http.headers["Authorization"] = f"Bearer {document['access_token']}"

    async def ask(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """One call and its JSON."""
        while True:
            answer = await self._http.request(method, path, **request)
            if answer.status_code == 429:
                await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
                continue
            if answer.is_success:
                return _document(answer)
            raise Refused(f"{method} {path} was answered with {answer.status_code}: {answer.text[:300]}")

    async def upload(self, name: str, content_type: str, data: bytes) -> str:
        """Store a file and give its id."""
        import httpx

        wish = {
            "filename": name,
            "content_type": content_type,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        ticket = await self.ask("POST", "/api/v1/uploads", json=wish)
        # The object store is another server in the cloud: it must not see the access token.
        async with httpx.AsyncClient(timeout=_TIMEOUT_S) as store:
            stored = await store.request(ticket["method"], ticket["url"], headers=ticket["headers"], content=data)
        if not stored.is_success:
            raise Refused(f"{name} could not be stored: {stored.status_code} {stored.text[:300]}")
        await self.ask("POST", f"/api/v1/uploads/{ticket['id']}/complete")
        return str(ticket["id"])

    async def count_entries(self, status: str, at_most: int = 100) -> int:
        """How many entries have this status, counted up to `at_most`."""
        page = await self.ask("GET", "/api/v1/entries", params={"status": status, "page_size": at_most})
        return len(page["entries"])

    async def wait_until_understood(self, within_s: float) -> bool:
        """Wait until no entry is being processed; False when time ran out."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while await self.count_entries("processing", at_most=1):
            if loop.time() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True


def _document(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; empty for anything else, such as the page of a server that is no Maru."""
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


@asynccontextmanager
async def api_client(url: str) -> AsyncGenerator[ApiClient]:
    """A client that belongs to nobody yet."""
    import httpx

    async with httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_S) as http:
        yield ApiClient(http)
