"""The gateway over HTTP: one pooled client, errors as `ApiProblem`."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import httpx

from ui.core.settings import ui_settings

Query = Mapping[str, str | int | list[str] | None]

# Reads answer in milliseconds; ten seconds is the point where a person is better served by "try again".
_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=16, keepalive_expiry=30.0)


class ApiProblem(Exception):
    """What the gateway refused, or `unreachable` when there was no answer; `request_id` finds it in the logs."""

    def __init__(self, status: int, code: str, detail: str = "", request_id: str = "", retry_after: int = 0) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after


@lru_cache(maxsize=1)
def pool() -> httpx.Client:
    """The connection pool of this process; safe to share between threads and holds nothing of any person."""
    return httpx.Client(base_url=ui_settings().api_url, timeout=_TIMEOUT, limits=_LIMITS)


class Api:
    """Calls in one person's name; without a token only the calls that need none will succeed."""

    def __init__(self, token: Callable[[], str] | None = None, *, user_agent: str = "") -> None:
        self.token = token
        self._user_agent = user_agent

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Query | None = None,
        key: str | None = None,
    ) -> Any:
        """Send one request and return its JSON; `key` makes a repeat of a creating call harmless."""
        headers = self._headers(key)
        params = {k: v for k, v in (query or {}).items() if v is not None and v not in ("", [])}
        try:
            response = _send(method, path, headers, params, body, repeatable=method == "GET" or key is not None)
        except httpx.HTTPError as error:
            raise ApiProblem(0, "unreachable") from error
        if response.is_success:
            return response.json() if response.content else None
        raise problem_of(response.status_code, response.content, response.headers)

    def redirect(self, path: str) -> str:
        """Where a link to a file leads at this moment."""
        try:
            response = pool().get(path, headers=self._headers(None), follow_redirects=False)
        except httpx.HTTPError as error:
            raise ApiProblem(0, "unreachable") from error
        if response.is_redirect:
            return response.headers["location"]
        raise problem_of(response.status_code, response.content, response.headers)

    def file(self, path: str, query: Query) -> httpx.Response:
        """What the gateway gives to be saved, with its name and type."""
        try:
            response = pool().get(path, headers=self._headers(None) | {"Accept": "*/*"}, params=dict(query))
        except httpx.HTTPError as error:
            raise ApiProblem(0, "unreachable") from error
        if response.is_success:
            return response
        raise problem_of(response.status_code, response.content, response.headers)

    def _headers(self, key: str | None) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token()}"
        if self._user_agent:
            headers["User-Agent"] = self._user_agent
        if key is not None:
            headers["Idempotency-Key"] = key
        return headers


def _send(
    method: str,
    path: str,
    headers: dict[str, str],
    params: dict[str, Any],
    body: Mapping[str, Any] | None,
    *,
    repeatable: bool,
) -> httpx.Response:
    """Send, once more on a fresh connection if a kept one had been closed by the other side."""
    try:
        return pool().request(method, path, headers=headers, params=params, json=body)
    except (httpx.RemoteProtocolError, httpx.ReadError, httpx.ConnectError):
        if not repeatable:
            raise
        return pool().request(method, path, headers=headers, params=params, json=body)


def problem_of(status: int, content: bytes, headers: Mapping[str, str]) -> ApiProblem:
    """Read a problem document; anything else becomes the code of its status."""
    try:
        document = httpx.Response(status, content=content).json()
    except ValueError:
        document = None
    fields = document if isinstance(document, dict) else {}
    retry_after = headers.get("retry-after", "0")
    return ApiProblem(
        status,
        str(fields.get("code") or f"http_{status}"),
        str(fields.get("detail") or ""),
        str(fields.get("request_id") or headers.get("x-request-id", "")),
        int(retry_after) if retry_after.isdigit() else 0,
    )


def public_url(url: str) -> str:
    """The address a browser can load: the gateway's links are relative to the gateway."""
    return url if "://" in url else ui_settings().public_api_url + url
