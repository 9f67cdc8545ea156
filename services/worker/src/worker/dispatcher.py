"""The worker's side of `/api/v1/worker`. The token goes to this one address and follows no redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import httpx
from pydantic import BaseModel, ValidationError
from shared.contracts import dispatch

from worker.refusals import Away, LeaseGone, Refused, TokenRefused

if TYPE_CHECKING:
    from worker.settings import Token

A = TypeVar("A", bound=BaseModel)

CALL_S = 30.0
_CONNECT_S = 10.0
_LATER = frozenset({408, 425, 429})
_LONGEST_RETRY_AFTER_S = 60.0


class Dispatcher:
    """One method for each call. Each raises `Away`, `TokenRefused`, `LeaseGone` or `Refused`, and nothing else."""

    def __init__(self, url: str, token: Token) -> None:
        self._url = url
        self._http = httpx.AsyncClient(headers=authorized(token), timeout=timeout(CALL_S), follow_redirects=False)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def register(self, registration: dispatch.Registration) -> dispatch.Registered:
        """Say who is here and what it can do; a second call replaces the first."""
        return await self._call("register", registration, dispatch.Registered)

    async def next_task(self, claim: dispatch.NextTask) -> dispatch.Leased:
        """Claim; with the same `claim_id` again, the same tasks."""
        answer = await self._ask("next-task", claim, claim.wait_s + CALL_S)
        return dispatch.Leased(tasks=[]) if answer.status_code == 204 else understood(answer, dispatch.Leased)

    async def exchange(self, exchange: dispatch.Exchange) -> dispatch.Exchanged:
        """Report several and claim in one call."""
        return await self._call("exchange", exchange, dispatch.Exchanged)

    async def presign(self, request: dispatch.PresignRequest) -> dispatch.Presigned:
        """A signed address for this task's input or output."""
        return await self._call("presign", request, dispatch.Presigned)

    async def report(self, report: dispatch.Report) -> dispatch.Reported:
        """Say how a task ended; the same report again gets the same answer."""
        return await self._call("report", report, dispatch.Reported)

    async def release(self, released: dispatch.Released) -> dispatch.ReleaseAnswer:
        """Hand tasks back unfinished."""
        return await self._call("release", released, dispatch.ReleaseAnswer)

    async def drain(self, worker_id: str) -> None:
        """Say that this worker is ending."""
        refuse(await self._ask("drain", dispatch.Drain(worker_id=worker_id), CALL_S))

    async def _call(self, name: str, body: BaseModel, answer: type[A]) -> A:
        return understood(await self._ask(name, body, CALL_S), answer)

    async def _ask(self, name: str, body: BaseModel, limit_s: float) -> httpx.Response:
        try:
            return await self._http.post(
                address(self._url, name), content=encoded(body), headers=_JSON, timeout=timeout(limit_s)
            )
        except httpx.HTTPError as error:
            raise Away(f"{name}: {said(error)}") from error


class HeartbeatLine:
    """Heartbeats over a connection of their own, for the thread that sends them."""

    def __init__(self, url: str, token: Token) -> None:
        self._url = url
        self._http = httpx.Client(headers=authorized(token), timeout=timeout(10), follow_redirects=False)

    def beat(self, heartbeat: dispatch.Heartbeat) -> dispatch.HeartbeatAnswer:
        """Extend leases and hear what became of the tasks. Raises like `Dispatcher`."""
        try:
            answer = self._http.post(address(self._url, "heartbeat"), content=encoded(heartbeat), headers=_JSON)
        except httpx.HTTPError as error:
            raise Away(f"heartbeat: {said(error)}") from error
        return understood(answer, dispatch.HeartbeatAnswer)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


_JSON = {"Content-Type": "application/json"}


def address(url: str, name: str) -> str:
    """Where a call goes."""
    return f"{url}/api/v1/worker/{name}"


def authorized(token: Token) -> dict[str, str]:
    """The one header that carries the token."""
    return {"Authorization": f"Bearer {token.reveal()}", "User-Agent": "maru-worker"}


def timeout(limit_s: float) -> httpx.Timeout:
    """Limits for one request: short to connect, `limit_s` for silence."""
    return httpx.Timeout(limit_s, connect=_CONNECT_S)


def encoded(body: BaseModel) -> bytes:
    """A request's body."""
    return body.model_dump_json(exclude_none=True).encode()


def understood(answer: httpx.Response, model: type[A]) -> A:
    """The answer as its model; raises what a refusal means."""
    refuse(answer)
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        # A proxy's page, or a dispatcher that is being replaced.
        raise Away(f"An answer that is not a dispatcher's ({error.error_count()} fields do not fit).", 2) from error


def refuse(answer: httpx.Response) -> None:
    """Raise unless the answer is a success."""
    if answer.is_success:
        return
    status = answer.status_code
    if answer.has_redirect_location:
        raise Refused(
            status,
            "redirect",
            "The dispatcher redirects elsewhere, and the token is not sent there. Give its own address as --url.",
        )
    code, detail = _problem(answer)
    if status == 401:
        raise TokenRefused(detail)
    if status >= 500 or status in _LATER:
        raise Away(f"{status} {code}: {detail}", _retry_after(answer))
    if status == 409 or (status == 404 and code == "task_not_found"):
        raise LeaseGone(code, detail)
    raise Refused(status, code, detail)


def said(error: Exception) -> str:
    """A transport error in words: httpx's are often empty."""
    return str(error) or type(error).__name__


def _problem(answer: httpx.Response) -> tuple[str, str]:
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return "unknown", f"HTTP {answer.status_code}"
    fields = cast("dict[str, object]", body)
    return str(fields.get("code", "unknown"))[:64], str(fields.get("detail", ""))[:1000]


def _retry_after(answer: httpx.Response) -> float:
    given = answer.headers.get("Retry-After", "")
    return min(float(given), _LONGEST_RETRY_AFTER_S) if given.isdigit() else 0
