"""Calls of a deployment whose every answer may be wrong; what is wrong is said in a sentence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

if TYPE_CHECKING:
    import httpx

_QUOTED = 300
_LONGEST_WAIT_S = 30.0


class Broken(Exception):
    """A step found the product broken; the message is a sentence."""


class SignInRefused(Broken):
    """The deployment knows no such account, or another password."""


class Skipped(Exception):
    """A step cannot be taken here; the message says why."""


@dataclass
class Service:
    """One service of the deployment, as somebody who holds `token` calls it."""

    http: httpx.AsyncClient
    url: str
    token: str = field(default="", repr=False)

    async def ask(
        self, method: str, path: str, *, status: int | tuple[int, ...] = (200, 201, 202, 204), **request: Any
    ) -> Any:
        """The JSON of an answer that has one of these statuses; None of an empty one. A rate limit is waited out."""
        answer = await self.answer(method, path, **request)
        expected = (status,) if isinstance(status, int) else status
        if answer.status_code not in expected:
            raise Broken(f"{method} {path} answered {answer.status_code}: {words(answer.text)}")
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise Broken(f"{method} {path} answered no JSON: {words(answer.text)}") from None

    async def answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The answer as it came."""
        import httpx

        headers = {**self._headers(), **request.pop("headers", {})}
        while True:
            try:
                answer = await self.http.request(method, self.url + path, headers=headers, **request)
            except (httpx.HTTPError, httpx.InvalidURL) as away:
                raise Broken(f"{self.url} does not answer {method} {path} ({type(away).__name__})") from None
            if answer.status_code != 429:
                return answer
            await asyncio.sleep(_retry_after(answer))

    async def bytes_of(self, path: str) -> tuple[bytes, str]:
        """A file and its type, from the signed address that the service points to; the address is called without the token."""
        answer = await self.answer("GET", path)
        if answer.status_code != 302 or "location" not in answer.headers:
            raise Broken(
                f"GET {path} answered {answer.status_code} instead of pointing to the file: {words(answer.text)}"
            )
        return await self.fetch(urljoin(self.url + path, answer.headers["location"]))

    async def fetch(self, address: str, headers: Mapping[str, str] | None = None) -> tuple[bytes, str]:
        """The bytes at a signed address."""
        answer = await self._unsigned("GET", address, headers or {}, None)
        return answer.content, answer.headers.get("content-type", "")

    async def put(self, ticket: Mapping[str, Any], data: bytes) -> None:
        """Send bytes to a signed address, as its ticket says."""
        await self._unsigned(str(ticket["method"]), str(ticket["url"]), ticket["headers"], data)

    async def _unsigned(
        self, method: str, address: str, headers: Mapping[str, str], data: bytes | None
    ) -> httpx.Response:
        import httpx

        place = address.partition("?")[0]
        try:
            answer = await self.http.request(method, address, headers=dict(headers), content=data)
        except (httpx.HTTPError, httpx.InvalidURL) as away:
            raise Broken(f"The store at {place} does not answer ({type(away).__name__})") from None
        if not answer.is_success:
            raise Broken(f"{method} {place} (a signed address) answered {answer.status_code}: {words(answer.text)}")
        return answer

    @asynccontextmanager
    async def lines(self, method: str, path: str, **request: Any) -> AsyncGenerator[tuple[int, AsyncGenerator[str]]]:
        """The status and the lines of an answer that is read while it comes."""
        import httpx

        headers = {**self._headers(), "Accept": "text/event-stream", **request.pop("headers", {})}
        try:
            async with self.http.stream(method, self.url + path, headers=headers, **request) as answer:
                if answer.status_code not in (200, 204):
                    await answer.aread()
                    raise Broken(f"{method} {path} answered {answer.status_code}: {words(answer.text)}")
                yield answer.status_code, _lines(answer)
        except httpx.ConnectError as away:
            raise Broken(f"{self.url} does not answer {method} {path} ({type(away).__name__})") from None

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


async def _lines(answer: httpx.Response) -> AsyncGenerator[str]:
    async for line in answer.aiter_lines():
        yield line


def words(text: str) -> str:
    """What a problem document says, or the beginning of anything else."""
    try:
        document = json.loads(text)
        said = document.get("detail") or document.get("message") or text
    except (ValueError, AttributeError):
        said = text
    return " ".join(str(said).split())[:_QUOTED] or "nothing was said"


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(_LONGEST_WAIT_S, max(0.1, float(answer.headers.get("Retry-After", "1"))))
    except ValueError:
        return 1.0
