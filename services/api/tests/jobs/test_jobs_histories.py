"""Any history of commands and reports leaves a job and its tasks as the pure model says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import pytest
from api.main import build_app
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from shared.studio.states import FINISHED_JOB, commanded, folded
from shared.testing.identity import PASSWORD

from .conftest import Machines

Status = Any
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass
class Model:
    """What a job should be: the pure state, and each task's."""

    status: Status = "draft"
    tasks: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """As people see them."""
        counted = Counter("queued" if task in {"delayed", "held"} else task for task in self.tasks)
        return {name: counted[name] for name in ("queued", "processing", "done", "failed", "cancelled")}

    def fold(self) -> None:
        """Take on what the counts imply."""
        counts = self.counts()
        queued = counts.pop("queued")
        self.status = folded(self.status, total=sum(counts.values()) + queued, **counts)

    def command(self, command: Any) -> bool:
        """Obey, or refuse."""
        self.fold()
        before, after = self.status, commanded(self.status, command)
        if after is None or (command == "cancel" and before in FINISHED_JOB - {"cancelled"}):
            return False
        self.status = after
        paused = after == "paused"
        match command:
            case "cancel":
                self._turn({"queued", "delayed", "held", "processing"}, "cancelled")
            case "pause":
                self._turn({"queued", "delayed"}, "held")
            case "resume" if before == "paused":
                self._turn({"held", "delayed"}, "queued")
            case "retry":
                self._turn({"failed"}, "held" if paused else "queued")
        self.fold()
        return True

    def _turn(self, before: set[str], after: str) -> None:
        self.tasks = [after if task in before else task for task in self.tasks]


class History(RuleBasedStateMachine):
    """One job over HTTP beside its model; `run` runs on the test's own loop."""

    run: Run
    http: httpx.AsyncClient
    machines: Machines

    @initialize()
    def begin(self) -> None:
        """Make a draft."""
        self.model = Model()
        self.held: dict[int, asyncpg.Record] = {}
        made = self.run(self.http.post("/api/v1/jobs", json={"name": "x", "runner": "anything"}))
        self.job_id = made.json()["id"]

    @rule(count=st.integers(1, 3))
    def enqueue(self, count: int) -> None:
        """Give it more to do."""
        answer = self._post("enqueue", {"count": count})
        accepted = self.model.command("enqueue")
        assert answer.status_code == (200 if accepted else 409)
        if accepted:
            self.model.tasks += ["held" if self.model.status == "paused" else "queued"] * count

    @rule(command=st.sampled_from(["cancel", "pause", "pause", "resume", "resume", "retry-failed", "retry-failed"]))
    def order(self, command: str) -> None:
        """Command it."""
        answer = self._post(command)
        accepted = self.model.command("retry" if command == "retry-failed" else command)
        assert answer.status_code == (200 if accepted else 409), (command, answer.text)

    @rule(count=st.integers(1, 3))
    def claim(self, count: int) -> None:
        """Machines take what is ready."""
        for task in self.run(self.machines.claim(self.job_id, count)):
            assert self.model.tasks[task["seq"]] == "queued"
            self.model.tasks[task["seq"]] = "processing"
            self.held[task["seq"]] = task

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(["done", "done", "failed", "delayed"]))
    def report(self, data: st.DataObject, outcome: str) -> None:
        """A machine says what became of a task, also of one that it no longer has."""
        seq = data.draw(st.sampled_from(sorted(self.held)))
        task = self.held.pop(seq)
        done, retry = outcome == "done", outcome == "delayed"
        answer = self.run(self.machines.finish(task) if done else self.machines.fail(task, retry=retry))
        assert (answer is not None) is (self.model.tasks[seq] == "processing")
        if answer is not None:
            self.model.tasks[seq] = outcome

    @invariant()
    def shows_what_is(self) -> None:
        """Counts and state are exact at every moment, and so is each task."""
        job = self.run(self.http.get(f"/api/v1/jobs/{self.job_id}")).json()
        shown = Model(self.model.status, self.model.tasks)
        shown.fold()
        assert (job["counts"], job["total"], job["status"]) == (shown.counts(), len(shown.tasks), shown.status)
        assert (job["finished_at"] is not None) is (shown.status in FINISHED_JOB)

    def _post(self, name: str, body: Any = None) -> httpx.Response:
        answer: httpx.Response = self.run(self.http.post(f"/api/v1/jobs/{self.job_id}/{name}", json=body))
        return answer


@pytest.fixture
def loop() -> Generator[Run]:
    """A loop that lives as long as the test, which itself is not a coroutine."""
    with asyncio.Runner() as runner:
        yield runner.run


def test_every_history_leaves_what_the_model_says(
    loop: Run, gateway_environment: dict[str, str], database_url: str
) -> None:
    async def open_all() -> tuple[httpx.AsyncClient, asyncpg.Connection[Any]]:
        app = build_app(gateway_environment | {"MARU_RATE_LIMITS": "off"})
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://maru.test")
        made = await http.post("/auth/v1/signup", json={"email": "history@example.com", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {made.json()['access_token']}"
        return http, await asyncpg.connect(database_url, server_settings={"search_path": "maru"})

    http, connection = loop(open_all())

    class Here(History):
        """On this test's gateway."""

    Here.run, Here.http, Here.machines = staticmethod(loop), http, Machines(connection, NoStorage())  # type: ignore[assignment,arg-type]
    quick = settings(
        max_examples=25, stateful_step_count=14, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        run_state_machine_as_test(Here, settings=quick)
    finally:
        loop(http.aclose())
        loop(connection.close())


class NoStorage:
    """Results are of no interest here."""

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Keep nothing."""
