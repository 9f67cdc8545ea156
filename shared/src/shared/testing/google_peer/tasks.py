"""Cloud Tasks: queues with a rate, and tasks that are called until they are done or used up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from shared.testing.google_peer.durations import seconds
from shared.testing.google_peer.faults import Faults, Refusal
from shared.testing.google_peer.names import check, last
from shared.testing.google_peer.posting import Push, post

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import types as ct
    from google.protobuf import empty_pb2

    from shared.testing.google_peer.scheduling import Scheduler
    from shared.testing.google_peer.tokens import GoogleSigner

_TASK_BYTES = 1024 * 1024
_LONGEST_URL = 2083
_HORIZON_S = 30 * 86_400.0
_DEADLINE_S, _DEADLINES_S = 600.0, (15.0, 1800.0)
_BODIES = frozenset({"POST", "PUT", "PATCH"})


@dataclass(slots=True)
class _Kept:
    task: ct.Task
    due: float
    attempts: int = 0
    answers: int = 0
    previous: int = 0


@dataclass(slots=True)
class _Queue:
    wanted: ct.Queue
    ready: deque[_Kept]
    running: int = 0
    free_at: float = 0.0


class CloudTasks:
    """The queues of the peer and what waits in them."""

    def __init__(self, scheduler: Scheduler, signer: GoogleSigner, faults: Faults, hurry: float) -> None:
        self._scheduler, self._signer, self._faults, self._hurry = scheduler, signer, faults, hurry
        self._lock = threading.RLock()
        self._queues: dict[str, _Queue] = {}
        self._tasks: dict[str, _Kept] = {}
        self._gone: set[str] = set()
        self.calls: list[Push] = []
        self.given_up: list[str] = []
        """Names of tasks whose attempts were used up: Cloud Tasks deletes them, and tells nobody."""

    def create_queue(self, request: ct.CreateQueueRequest) -> ct.Queue:
        """CreateQueue."""
        check("location", request.parent)
        check("queue", request.queue.name)
        _check_queue(request.queue)
        with self._lock:
            if request.queue.name in self._queues:
                raise Refusal("ALREADY_EXISTS", "Queue already exists")
            self._queues[request.queue.name] = _Queue(request.queue, deque())
        return request.queue

    def get_queue(self, request: ct.GetQueueRequest) -> ct.Queue:
        """GetQueue."""
        with self._lock:
            if check("queue", request.name) not in self._queues:
                raise Refusal("NOT_FOUND", "Queue does not exist.")
            return self._queues[request.name].wanted

    def create_task(self, request: ct.CreateTaskRequest) -> ct.Task:
        """CreateTask; a name is taken for good, also when its task has run."""
        task = request.task
        check("queue", request.parent)
        task.name = task.name or f"{request.parent}/tasks/{uuid4().int}"
        check("task", task.name)
        if task.name.rsplit("/tasks/", 1)[0] != request.parent:
            raise Refusal("INVALID_ARGUMENT", "The queue in the task's name is another one than `parent`.")
        _check_task(task)
        with self._lock:
            queue = self._queues.get(request.parent)
            if queue is None:
                raise Refusal("NOT_FOUND", "Queue does not exist.")
            if task.name in self._tasks or task.name in self._gone:
                raise Refusal("ALREADY_EXISTS", "Requested entity already exists")
            due = _due(task)
            kept = self._tasks[task.name] = _Kept(task, due)
        self._scheduler.after(due - time.time(), partial(self._ready, queue, kept))
        return task

    def get_task(self, request: ct.GetTaskRequest) -> ct.Task:
        """GetTask."""
        return self._kept(request.name).task

    def delete_task(self, request: ct.DeleteTaskRequest) -> empty_pb2.Empty:
        """DeleteTask: it is not called again."""
        from google.protobuf import empty_pb2

        with self._lock:
            self._forget(self._kept(request.name))
        return empty_pb2.Empty()

    def waiting(self) -> list[ct.Task]:
        """Tasks that are not done."""
        with self._lock:
            return [kept.task for kept in self._tasks.values()]

    def forget_names(self) -> None:
        """The time for which names of finished tasks are kept is over."""
        with self._lock:
            self._gone.clear()

    def _kept(self, name: str) -> _Kept:
        with self._lock:
            if check("task", name) not in self._tasks:
                raise Refusal("NOT_FOUND", "The task no longer exists.")
            return self._tasks[name]

    def _ready(self, queue: _Queue, kept: _Kept) -> None:
        with self._lock:
            queue.ready.append(kept)
        self._dispatch(queue)

    def _dispatch(self, queue: _Queue) -> None:
        """Start what the rate allows; whatever ends looks again."""
        with self._lock:
            rates = queue.wanted.rate_limits
            at_once, each_s = rates.max_concurrent_dispatches or 1000, 1 / (rates.max_dispatches_per_second or 500)
            now = time.monotonic()
            while queue.ready and queue.running < at_once:
                start = max(now, queue.free_at)
                queue.free_at = start + each_s / self._hurry
                queue.running += 1
                self._scheduler.after(start - now, partial(self._call, queue, queue.ready.popleft()))

    def _call(self, queue: _Queue, kept: _Kept) -> None:
        if kept.task.name not in self._tasks:
            self._ended(queue)
            return
        request, name = kept.task.http_request, last(queue.wanted.name)
        deadline_s = seconds(kept.task, "dispatch_deadline", _DEADLINE_S)
        status = post(
            request.url, request.body, self._headers(queue, kept), deadline_s / self._hurry, request.http_method.name
        )  # fmt: skip
        kept.attempts += 1
        kept.answers += status != 0
        kept.previous = status
        self.calls.append(Push(name, last(kept.task.name), kept.attempts, status))
        limit = queue.wanted.retry_config.max_attempts or 100
        if 200 <= status < 300 and not self._faults.take_redelivery(name):
            self._forget(kept)
        elif 0 < limit <= kept.attempts:
            self.given_up.append(kept.task.name)
            self._forget(kept)
        else:
            self._scheduler.after(self._backoff_s(queue, kept.attempts), partial(self._ready, queue, kept))
        self._ended(queue)

    def _headers(self, queue: _Queue, kept: _Kept) -> dict[str, str]:
        request = kept.task.http_request
        audience = request.oidc_token.audience or request.url
        headers = dict(request.headers) | {
            "User-Agent": "Google-Cloud-Tasks",
            "X-CloudTasks-QueueName": last(queue.wanted.name),
            "X-CloudTasks-TaskName": last(kept.task.name),
            "X-CloudTasks-TaskRetryCount": str(kept.attempts),
            "X-CloudTasks-TaskExecutionCount": str(kept.answers),
            "X-CloudTasks-TaskETA": f"{kept.due:.6f}",
        }
        if kept.attempts:
            headers["X-CloudTasks-TaskPreviousResponse"] = str(kept.previous)
        if request.oidc_token.service_account_email:
            token = self._signer.token(request.oidc_token.service_account_email, audience)
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _ended(self, queue: _Queue) -> None:
        with self._lock:
            queue.running -= 1
        self._dispatch(queue)

    def _forget(self, kept: _Kept) -> None:
        with self._lock:
            if self._tasks.pop(kept.task.name, None) is not None:
                self._gone.add(kept.task.name)

    def _backoff_s(self, queue: _Queue, attempt: int) -> float:
        retry = queue.wanted.retry_config
        low, high = seconds(retry, "min_backoff", 0.1), seconds(retry, "max_backoff", 3600.0)
        return min(high, low * 2.0 ** min(attempt - 1, retry.max_doublings or 16)) / self._hurry


def routes(tasks: CloudTasks) -> dict[str, tuple[type[Any], Callable[[Any], Any], str]]:
    """The gRPC methods: request class, function, and the field that names the resource."""
    from google.cloud.tasks_v2 import types as ct

    base = "/google.cloud.tasks.v2.CloudTasks/"
    return {
        base + "CreateQueue": (ct.CreateQueueRequest, tasks.create_queue, "parent"),
        base + "GetQueue": (ct.GetQueueRequest, tasks.get_queue, "name"),
        base + "CreateTask": (ct.CreateTaskRequest, tasks.create_task, "parent"),
        base + "GetTask": (ct.GetTaskRequest, tasks.get_task, "name"),
        base + "DeleteTask": (ct.DeleteTaskRequest, tasks.delete_task, "name"),
    }


def _check_queue(queue: ct.Queue) -> None:
    rates, retry = queue.rate_limits, queue.retry_config
    if not 0 <= rates.max_dispatches_per_second <= 500 or not 0 <= rates.max_concurrent_dispatches <= 5000:
        raise Refusal("INVALID_ARGUMENT", "rate_limits are out of range: 500 a second and 5000 at once at most.")
    if retry.max_attempts < -1:
        raise Refusal("INVALID_ARGUMENT", "max_attempts must be -1 or more.")
    if seconds(retry, "min_backoff", 0.1) > seconds(retry, "max_backoff", 3600.0):
        raise Refusal("INVALID_ARGUMENT", "min_backoff is above max_backoff.")


def _due(task: ct.Task) -> float:
    """When it is to be called, in seconds since 1970."""
    plain = type(task).pb(task)
    return float(plain.schedule_time.ToNanoseconds() / 1e9) if plain.HasField("schedule_time") else time.time()


def _check_task(task: ct.Task) -> None:
    from google.cloud.tasks_v2 import types as ct

    request = task.http_request
    if not request.url.startswith(("https://", "http://")) or len(request.url) > _LONGEST_URL:
        raise Refusal(
            "INVALID_ARGUMENT", "HttpRequest.url must be an http or https address of at most 2083 characters."
        )
    if type(task).pb(task).ByteSize() > _TASK_BYTES:
        raise Refusal("INVALID_ARGUMENT", "Task size too large: 1 MB at most.")
    # An unset method is POST.
    if not request.http_method:
        request.http_method = ct.HttpMethod(ct.HttpMethod.POST)
    if request.body and request.http_method.name not in _BODIES:
        raise Refusal("INVALID_ARGUMENT", f"A body is not allowed with {request.http_method.name}.")
    if request.oidc_token.audience and not request.oidc_token.service_account_email:
        raise Refusal("INVALID_ARGUMENT", "oidc_token.service_account_email is missing.")
    if _due(task) - time.time() > _HORIZON_S:
        raise Refusal("INVALID_ARGUMENT", "The schedule time is more than 30 days ahead.")
    if not _DEADLINES_S[0] <= seconds(task, "dispatch_deadline", _DEADLINE_S) <= _DEADLINES_S[1]:
        raise Refusal("INVALID_ARGUMENT", "The dispatch deadline must be between 15 s and 30 min.")
