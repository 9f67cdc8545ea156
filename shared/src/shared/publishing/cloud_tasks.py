"""Commands to Cloud Tasks."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.deliveries import ROUTES, Route
from shared.publishing.channels import close, load, transport
from shared.publishing.failures import outcome_of, report
from shared.publishing.port import End, Outcome, Promise
from shared.pushes import MessageMalformed, call_of

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksAsyncClient

    from shared.publishing.settings import MessagingSettings

_AT_ONCE = 32
_REQUEST_S = 8.0
_SHORTEST_S, _LONGEST_S = 15.0, 1800.0


class CloudTasksQueues:
    """A task for each command; its name comes from the outbox row, so that publishing twice makes one."""

    def __init__(self, settings: MessagingSettings, routes: Sequence[Route] = ROUTES) -> None:
        self._settings = settings
        self._routes: Mapping[str, Route] = {route.name: route for route in routes}
        self._client: CloudTasksAsyncClient | None = None
        self._opening = asyncio.Lock()

    async def carry(self, promises: Sequence[Promise], within_s: float) -> list[Outcome]:
        """Several at once: Cloud Tasks has no order."""
        ends_at = time.monotonic() + within_s
        try:
            client = await self._open()
        except Exception as error:  # noqa: BLE001 - credentials can fail in any way, and the outbox keeps what was promised
            report("Cloud Tasks", error, len(promises))
            return [outcome_of(promise, error) for promise in promises]
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(promise: Promise) -> Outcome:
            async with room:
                return await self._create(client, promise, min(_REQUEST_S, ends_at - time.monotonic()))

        return list(await asyncio.gather(*(one(promise) for promise in promises)))

    async def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            await close(client)

    async def _create(self, client: CloudTasksAsyncClient, promise: Promise, timeout_s: float) -> Outcome:
        from google.api_core import exceptions

        if timeout_s <= 0:
            return Outcome(promise, End.HELD)
        route = self._routes.get(promise.name)
        if route is None or route.kind != "task":
            return Outcome(promise, End.NEVER, "there is no queue of this name")
        try:
            task = self._task(route, promise)
            await client.create_task(parent=self._queue(route), task=task, retry=_retry(timeout_s), timeout=timeout_s)
        except exceptions.AlreadyExists:
            return Outcome(promise, End.CARRIED)
        except MessageMalformed as malformed:
            return Outcome(promise, End.NEVER, str(malformed))
        except Exception as error:  # noqa: BLE001 - whatever it was, the outbox keeps what was promised
            report(promise.name, error, 1)
            return outcome_of(promise, error)
        return Outcome(promise, End.CARRIED)

    def _task(self, route: Route, promise: Promise) -> Any:
        from google.cloud.tasks_v2 import types

        target, body = call_of(route, promise.body, self._routes)
        base = self._settings.services[target.service]
        request = types.HttpRequest(
            url=base + target.path,
            http_method=types.HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=body,
            oidc_token=types.OidcToken(service_account_email=self._settings.account, audience=base),
        )
        deadline = timedelta(seconds=min(max(route.deadline_s, _SHORTEST_S), _LONGEST_S))
        return types.Task(
            name=f"{self._queue(route)}/tasks/{task_name(promise)}",
            http_request=request,
            schedule_time=promise.not_before,
            dispatch_deadline=deadline,
        )

    def _queue(self, route: Route) -> str:
        return f"projects/{self._settings.project}/locations/{self._settings.region}/queues/{route.name}"

    async def _open(self) -> CloudTasksAsyncClient:
        async with self._opening:
            if self._client is None:
                await load("google.cloud.tasks_v2")
                from google.cloud.tasks_v2 import CloudTasksAsyncClient
                from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcAsyncIOTransport

                host = "cloudtasks.googleapis.com"
                made = await transport(CloudTasksGrpcAsyncIOTransport, host, self._settings.tasks_host)
                self._client = CloudTasksAsyncClient(transport=made)
            return self._client


def task_name(promise: Promise) -> str:
    """Spread evenly, as Cloud Tasks asks for: names that begin alike are slow to look up."""
    return hashlib.sha256(str(promise.id).encode()).hexdigest()[:40]


def _retry(timeout_s: float) -> Any:
    from google.api_core import exceptions
    from google.api_core.retry import AsyncRetry, if_exception_type

    passing = if_exception_type(exceptions.Aborted, exceptions.ServiceUnavailable, exceptions.InternalServerError)
    return AsyncRetry(passing, initial=0.1, maximum=1.0, multiplier=2.0, timeout=timeout_s)
