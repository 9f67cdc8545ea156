"""A strict dispatcher and its object storage for tests, each on a port of its own; both can misbehave on demand.

Strict: every body must be exactly what `shared.contracts.dispatch` says, every fence must fit, a signed address takes one method, size and type,
and a token that reaches the storage is a failure that `problems` remembers.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import BaseModel
from shared.contracts import dispatch

TOKEN = "wk_abcdefghijkl_" + "s3cr3t-" * 6
_MODELS: dict[str, type[BaseModel]] = {
    "register": dispatch.Registration,
    "next-task": dispatch.NextTask,
    "presign": dispatch.PresignRequest,
    "heartbeat": dispatch.Heartbeat,
    "report": dispatch.Report,
    "exchange": dispatch.Exchange,
    "release": dispatch.Released,
    "drain": dispatch.Drain,
}


@dataclass
class PeerTask:
    """A task as the peer holds it; `history` tells what happened to it, in order."""

    runner: str
    params: dict[str, Any]
    input: bytes | None
    input_name: str | None
    announced_size: int | None = None
    id: UUID = field(default_factory=uuid4)
    status: str = "queued"
    attempt: int = 0
    worker: str = ""
    claim_id: UUID | None = None
    expires: float = 0
    progress: list[float] = field(default_factory=list)
    uploaded: bytes | None = None
    uploaded_type: str = ""
    parts: dict[int, bytes] = field(default_factory=dict)
    filename: str = ""
    output: bytes | None = None
    error: dict[str, Any] | None = None
    retryable: bool | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    accepted: tuple[int, str] | None = None
    failures: int = 0
    lease_losses: int = 0
    releases: int = 0
    reports: int = 0
    max_failures: int = 1
    history: list[str] = field(default_factory=list)

    @property
    def leased(self) -> dict[str, Any]:
        """As a claim answers it. The clock is deliberately wrong: a worker must not look at it."""
        size = self.announced_size if self.announced_size is not None else len(self.input or b"")
        return {
            "task_id": str(self.id),
            "job_id": str(uuid4()),
            "attempt": self.attempt,
            "input_path": None if self.input is None else f"spaces/s/{self.input_name}",
            "input_name": self.input_name,
            "input_type": "application/octet-stream",
            "input_size": None if self.input is None else size,
            "runner": self.runner,
            "params": self.params,
            "lease_expires_at": "2001-01-01T00:00:00Z",
        }


@dataclass
class Grant:
    """What one signed address allows."""

    task: PeerTask
    attempt: int
    method: str
    size: int = 0
    content_type: str = ""
    part: int | None = None


@dataclass
class Fault:
    """Happens to the next `times` requests whose path contains `where`, after `skip` of them: see `_Handler`."""

    where: str
    kind: str
    times: int = 1
    skip: int = 0
    code: str = "unavailable"


class Refusal(Exception):
    """A problem document."""

    def __init__(self, status: int, code: str) -> None:
        self.status = status
        self.code = code


@dataclass
class DispatcherPeer:
    """The running peer. `lease_s` and `heartbeat_s` are told at registration.

    With `part_size`, larger outputs may come in parts; `parts_at_once` of them are offered in one answer.
    """

    lease_s: float = 30
    heartbeat_s: float = 0.2
    token: str = TOKEN
    url: str = ""
    storage_url: str = ""
    away: bool = False
    part_size: int | None = None
    parts_at_once: int = 100
    tasks: dict[UUID, PeerTask] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    registrations: list[dispatch.Registration] = field(default_factory=list)
    claims: list[dispatch.NextTask] = field(default_factory=list)
    drained: set[str] = field(default_factory=set)
    drain: bool = False
    elsewhere: list[dict[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def add(
        self,
        params: dict[str, Any] | None = None,
        *,
        runner: str = "image",
        data: bytes | None = None,
        name: str | None = "photo.png",
        max_failures: int = 1,
        announced_size: int | None = None,
    ) -> PeerTask:
        """Queue a task."""
        task = PeerTask(runner, params or {}, data, name, max_failures=max_failures, announced_size=announced_size)
        with self.changed:
            self.tasks[task.id] = task
            self.changed.notify_all()
        return task

    def cancel(self, task: PeerTask) -> None:
        """As a person does."""
        with self.changed:
            task.status = "cancelled"

    def expire(self, task: PeerTask, *, claimed_by_another: bool = True) -> None:
        """Take the lease away; another worker may have claimed it since."""
        with self.changed:
            task.status, task.lease_losses = "queued", task.lease_losses + 1
            if claimed_by_another:
                task.status, task.worker, task.attempt = "processing", "another", task.attempt + 1
                task.expires = time.monotonic() + 3600

    def fault(self, where: str, kind: str, times: int = 1, skip: int = 0, code: str = "unavailable") -> Fault:
        """Misbehave."""
        made = Fault(where, kind, times, skip, code)
        self.faults.append(made)
        return made

    def take_fault(self, path: str) -> Fault | None:
        """The fault that this request meets."""
        with self.changed:
            for fault in self.faults:
                if fault.where in path and fault.times > 0:
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None

    def answer(self, name: str, body: bytes) -> tuple[int, dict[str, Any] | None]:
        """One call of the worker's protocol."""
        model = _MODELS.get(name)
        if model is None:
            raise Refusal(404, "not_found")
        sent = json.loads(body)
        parsed = model.model_validate(sent)
        if unknown := set(sent) - set(model.model_fields):
            self.problems.append(f"{name}: unknown fields {unknown}")
        method = getattr(self, "on_" + name.replace("-", "_"))
        with self.changed:
            self.calls.append(name)
            answer = method(parsed)
            self.changed.notify_all()
        return (204, None) if answer is None else (200, answer)

    def on_register(self, registration: dispatch.Registration) -> dict[str, Any]:
        self.registrations.append(registration)
        self.drained.discard(registration.worker_id)
        worker = registration.worker_id
        return {"worker_id": worker, "lease_s": self.lease_s, "heartbeat_s": self.heartbeat_s, "draining": self.drain}

    def on_next_task(self, claim: dispatch.NextTask) -> dict[str, Any] | None:
        self.claims.append(claim)
        deadline = time.monotonic() + claim.wait_s
        while True:
            tasks = self._claim(claim)
            drain = self.drain or claim.worker_id in self.drained
            left = deadline - time.monotonic()
            if tasks or drain:
                return {"tasks": tasks, "drain": drain}
            if left <= 0 or self.away:
                return None
            self.changed.wait(min(left, 0.2))

    def _claim(self, claim: dispatch.NextTask) -> list[dict[str, Any]]:
        self._rescue()
        mine = [
            one
            for one in self.tasks.values()
            if claim.claim_id is not None and one.claim_id == claim.claim_id and one.status == "processing"
        ]
        if mine:
            return [one.leased for one in mine]
        if self.drain or claim.worker_id in self.drained:
            return []
        found = [one for one in self.tasks.values() if one.status == "queued"][: claim.max_tasks]
        for task in found:
            task.status, task.attempt = "processing", task.attempt + 1
            task.worker, task.claim_id = claim.worker_id, claim.claim_id
            task.expires = time.monotonic() + self.lease_s
            task.history.append(f"claimed {task.attempt}")
        return [task.leased for task in found]

    def _rescue(self) -> None:
        for task in self.tasks.values():
            if task.status == "processing" and task.expires < time.monotonic():
                task.status, task.lease_losses = "queued", task.lease_losses + 1
                task.history.append("lease lost")

    def on_presign(self, request: dispatch.PresignRequest) -> dict[str, Any]:
        task = self._held(request.task_id, request.attempt)
        name = secrets.token_urlsafe(24)
        expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        if request.type == "download_input":
            self.grants[name] = Grant(task, request.attempt, "GET")
            signed: dict[str, Any] = {"method": "GET", "headers": {}}
        else:
            if not (request.size and request.content_type and request.filename):
                raise Refusal(422, "invalid")
            self.grants[name] = Grant(task, request.attempt, "PUT", request.size, request.content_type)
            task.filename = request.filename
            path = f"jobs/{task.id}/{request.attempt}/output"
            signed = {"method": "PUT", "headers": {"Content-Type": request.content_type}, "output_path": path}
            if request.parts and self.part_size and request.size > self.part_size:
                task.uploaded_type = request.content_type
                signed |= self._parts(task, request.attempt, request.size, self.part_size)
        return {"url": f"{self.storage_url}/{name}", "expires_at": expires, **signed}

    def _parts(self, task: PeerTask, attempt: int, size: int, step: int) -> dict[str, Any]:
        """The next parts that have not come, `parts_at_once` of them."""
        count = -(-size // step)
        missing = [number for number in range(1, count + 1) if number not in task.parts]
        if not missing:
            task.uploaded = b"".join(task.parts[number] for number in range(1, count + 1))
        parts = []
        for number in missing[: self.parts_at_once]:
            name, length = secrets.token_urlsafe(24), min(step, size - (number - 1) * step)
            self.grants[name] = Grant(task, attempt, "PUT", length, part=number)
            parts.append({"number": number, "url": f"{self.storage_url}/{name}", "headers": {}, "size": length})
        return {"part_size": step, "part_count": count, "parts": parts}

    def on_heartbeat(self, heartbeat: dispatch.Heartbeat) -> dict[str, Any]:
        self._rescue()
        answer: dict[str, Any] = {"extended": [], "lost": [], "cancelled": [], "drain": self.drain}
        for one in heartbeat.tasks:
            task = self.tasks.get(one.task_id)
            if task is None or task.attempt != one.attempt or task.status not in {"processing", "cancelled"}:
                answer["lost"].append(str(one.task_id))
            elif task.status == "cancelled":
                answer["cancelled"].append(str(one.task_id))
            else:
                task.expires = time.monotonic() + self.lease_s
                if one.progress is not None:
                    task.progress.append(one.progress)
                answer["extended"].append(str(one.task_id))
        return answer

    def on_report(self, report: dispatch.Report) -> dict[str, Any]:
        task = self.tasks.get(report.task_id)
        if task is None:
            raise Refusal(404, "task_not_found")
        task.reports += 1
        if task.accepted == (report.attempt, report.status):
            return {"task_id": str(task.id), "status": "queued" if task.status == "queued" else task.status}
        salvaged = task.status == "queued" and report.status == "done" and task.attempt == report.attempt
        if not salvaged:
            self._held(report.task_id, report.attempt)
        if report.status == "done":
            self._done(task, report)
        else:
            self._failed(task, report)
        task.accepted, task.metrics = (report.attempt, report.status), report.metrics or {}
        task.history.append(f"{report.status} {report.attempt}")
        return {"task_id": str(task.id), "status": task.status}

    def _done(self, task: PeerTask, report: dispatch.Report) -> None:
        if task.uploaded is None or report.output_path != f"jobs/{task.id}/{report.attempt}/output":
            raise Refusal(422, "output_missing")
        task.status, task.output = "done", task.uploaded

    def _failed(self, task: PeerTask, report: dispatch.Report) -> None:
        assert isinstance(report.error, dispatch.ReportedError)
        task.error, task.retryable = report.error.model_dump(), report.retryable
        task.failures += 1
        task.status = "queued" if report.retryable and task.failures < task.max_failures else "failed"

    def on_exchange(self, exchange: dispatch.Exchange) -> dict[str, Any]:
        outcomes: list[dict[str, Any]] = []
        for report in exchange.reports:
            try:
                outcomes.append(self.on_report(report))
            except Refusal as refusal:
                outcomes.append({"task_id": str(report.task_id), "code": refusal.code, "detail": refusal.code})
        claimed = self.on_next_task(exchange.next) if exchange.next else None
        return {"reports": outcomes, "tasks": (claimed or {"tasks": []})["tasks"], "drain": self.drain}

    def on_release(self, released: dispatch.Released) -> dict[str, Any]:
        answer: dict[str, Any] = {"released": [], "lost": []}
        for one in released.tasks:
            task = self.tasks.get(one.task_id)
            if task is not None and task.attempt == one.attempt and task.status == "processing":
                task.status, task.releases = "queued", task.releases + 1
                task.history.append(f"released {one.attempt}")
                answer["released"].append(str(one.task_id))
            else:
                answer["lost"].append(str(one.task_id))
        return answer

    def on_drain(self, drain: dispatch.Drain) -> None:
        self.drained.add(drain.worker_id)

    def _held(self, task_id: UUID, attempt: int) -> PeerTask:
        task = self.tasks.get(task_id)
        if task is None:
            raise Refusal(404, "task_not_found")
        if task.status == "cancelled":
            raise Refusal(409, "task_cancelled")
        if task.attempt != attempt or task.status != "processing":
            raise Refusal(409, "lease_lost")
        return task
