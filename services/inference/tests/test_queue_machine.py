"""Any order of claims, reports, silences, hand-backs, cancellations and pauses: the queue does what a model of it does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from conftest import MadeJob, Studio, Studios, WorkerAgent

MAX_FAILURES, MAX_LOSSES = 2, 3
FINISHED = {"done", "failed", "cancelled"}


@dataclass
class ModelTask:
    """What the queue should know of a task."""

    status: str = "queued"
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    holder: str | None = None
    answers: dict[int, tuple[bool, str]] = field(default_factory=dict)
    """By attempt: whether the accepted report said done, and what was answered."""


@dataclass(frozen=True)
class Lease:
    """What a worker was once given."""

    task: str
    attempt: int
    worker: str


class QueueMachine(RuleBasedStateMachine):
    """Drives the dispatcher over HTTP beside a model."""

    runner: asyncio.Runner
    studio: Studio
    examples = 0

    def __init__(self) -> None:
        super().__init__()
        QueueMachine.examples += 1
        self.kind = f"runner{QueueMachine.examples}"
        self.paused = False
        self.leases: list[Lease] = []
        self.job, self.workers = self.run(self._begin())
        self.tasks = {str(task): ModelTask() for task in self.job.tasks}

    def run(self, step: Coroutine[Any, Any, Any]) -> Any:
        """Take a step in the dispatcher's event loop."""
        return self.runner.run(step)

    async def _begin(self) -> tuple[MadeJob, dict[str, WorkerAgent]]:
        job = await self.studio.gateway.job(5, runner=self.kind, max_attempts=MAX_FAILURES)
        workers = {name: await self.studio.worker(name, runners=[self.kind]) for name in ("a", "b")}
        return job, workers

    async def _postpone(self) -> None:
        """Nothing becomes due by itself while the model looks elsewhere."""
        await self._sql(
            "UPDATE maru.tasks SET run_at = now() + interval '1 hour' WHERE status = 'delayed' AND job_id = $1"
        )

    async def _sql(self, statement: str) -> None:
        await self.studio.gateway.owner.execute(statement, self.job.id)

    @rule(worker=st.sampled_from("ab"), count=st.integers(1, 3))
    def claim(self, worker: str, count: int) -> None:
        """Only what is ready is given, each to one worker, and a suspicious task alone."""
        given = self.run(self.workers[worker].claim(count))
        ready = [task for task in self.tasks.values() if task.status == "queued"]
        assert bool(given) == bool(ready)
        assert len(given) <= min(count, len(ready))
        if any(self.tasks[task["task_id"]].losses for task in given):
            assert len(given) == 1
        for task in given:
            model = self.tasks[task["task_id"]]
            assert model.status == "queued"
            model.status, model.attempt, model.holder = "processing", model.attempt + 1, worker
            assert task["attempt"] == model.attempt
            self.leases.append(Lease(task["task_id"], task["attempt"], worker))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), done=st.booleans(), retryable=st.booleans())
    def report(self, data: st.DataObject, done: bool, retryable: bool) -> None:
        """A report of any lease there ever was, once more or for the first time."""
        lease = data.draw(st.sampled_from(self.leases))
        expected = self._expected(lease, done, retryable)
        answer = self.run(
            self.workers[lease.worker].call(
                "report",
                {
                    "task_id": lease.task,
                    "attempt": lease.attempt,
                    "status": "done" if done else "failed",
                    "retryable": retryable,
                },
            )
        ).json()
        assert answer.get("code", answer["status"]) == expected, (lease, self.tasks[lease.task])
        self.run(self._postpone())

    def _expected(self, lease: Lease, done: bool, retryable: bool) -> str:
        task = self.tasks[lease.task]
        if lease.attempt != task.attempt:
            return "lease_lost"
        if (said := task.answers.get(lease.attempt)) is not None:
            if said[0] == done:
                return said[1]
            return "task_cancelled" if task.status == "cancelled" else "lease_lost"
        if task.status == "cancelled":
            return "task_cancelled"
        salvaged = done and task.status in {"queued", "delayed", "held"}
        if task.status != "processing" and not salvaged:
            return "lease_lost"
        answer = self._accept(task, done, retryable)
        task.answers[lease.attempt] = (done, answer)
        return answer

    def _accept(self, task: ModelTask, done: bool, retryable: bool) -> str:
        if done:
            task.status = "done"
            return "done"
        task.failures += 1
        if not retryable or task.failures >= MAX_FAILURES:
            task.status = "failed"
            return "failed"
        task.status = "delayed"
        return "queued"

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def heartbeat(self, data: st.DataObject) -> None:
        """A sign of life keeps what is held and tells the truth about the rest."""
        lease = data.draw(st.sampled_from(self.leases))
        task = self.tasks[lease.task]
        current = lease.attempt == task.attempt
        expected = (
            "extended"
            if current and task.status == "processing"
            else "cancelled"
            if current and task.status == "cancelled"
            else "lost"
        )
        answer = self.run(self.workers[lease.worker].heartbeat({"task_id": lease.task, "attempt": lease.attempt}))
        assert [name for name in ("extended", "lost", "cancelled") if answer[name]] == [expected]

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """What is handed back comes back; nobody is blamed."""
        lease = data.draw(st.sampled_from(self.leases))
        task = self.tasks[lease.task]
        held = lease.attempt == task.attempt and task.status == "processing"
        body = {"tasks": [{"task_id": lease.task, "attempt": lease.attempt}]}
        answer = self.run(self.workers[lease.worker].call("release", body)).json()
        assert answer["released"] == ([lease.task] if held else [])
        if held:
            task.status = "delayed"
        self.run(self._postpone())

    @precondition(lambda self: any(task.status == "processing" for task in self.tasks.values()))
    @rule(data=st.data())
    def fall_silent(self, data: st.DataObject) -> None:
        """A lease runs out and somebody looks."""
        name = data.draw(st.sampled_from([name for name, task in self.tasks.items() if task.status == "processing"]))
        self.run(self.studio.gateway.silence([name]))
        self.run(self.studio.sweep())
        self.run(self._postpone())
        task = self.tasks[name]
        task.losses += 1
        task.status = "failed" if task.losses >= MAX_LOSSES else "delayed"

    @rule()
    def time_passes(self) -> None:
        """Whatever waits for its next attempt is due."""
        self.run(self._sql("UPDATE maru.tasks SET run_at = now() WHERE status = 'delayed' AND job_id = $1"))
        self.run(self.studio.sweep())
        for task in self.tasks.values():
            if task.status == "delayed":
                task.status = "held" if self.paused else "queued"

    @precondition(lambda self: any(task.status not in FINISHED for task in self.tasks.values()))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A person takes a task back."""
        name = data.draw(st.sampled_from([name for name, task in self.tasks.items() if task.status not in FINISHED]))
        self.run(
            self.studio.gateway.owner.execute(
                "UPDATE maru.tasks SET status = 'cancelled', finished_at = now(), lease_expires_at = NULL WHERE id = $1",
                name,
            )
        )
        self.tasks[name].status = "cancelled"

    @precondition(lambda self: any(task.status not in FINISHED for task in self.tasks.values()))
    @rule()
    def pause_or_resume(self) -> None:
        """As the gateway's commands do."""
        self.paused = not self.paused
        if self.paused:
            self.run(self._sql("UPDATE maru.jobs SET status = 'paused' WHERE id = $1 AND finished_at IS NULL"))
            self.run(
                self._sql("UPDATE maru.tasks SET status = 'held' WHERE job_id = $1 AND status IN ('queued', 'delayed')")
            )
        else:
            self.run(self._sql("UPDATE maru.jobs SET status = 'running' WHERE id = $1 AND finished_at IS NULL"))
            self.run(self._sql("UPDATE maru.tasks SET status = 'queued' WHERE job_id = $1 AND status = 'held'"))
        for task in self.tasks.values():
            if self.paused and task.status in {"queued", "delayed"}:
                task.status = "held"
            elif not self.paused and task.status == "held":
                task.status = "queued"

    def teardown(self) -> None:
        """Rows and counts are those of the model."""
        self.run(self._compare())

    async def _compare(self) -> None:
        for name, task in self.tasks.items():
            row = await self.studio.gateway.task(name)
            stored = (row["status"], row["attempt"], row["failures"], row["lease_losses"])
            assert stored == (task.status, task.attempt, task.failures, task.losses), name
        await self.studio.sweep()
        job = await self.studio.gateway.stored_job(self.job)
        ended = [task.status for task in self.tasks.values()]
        assert (job["done"], job["failed"]) == (ended.count("done"), ended.count("failed"))
        told = [fact for fact in await self.studio.outbox("task.finished") if fact["job_id"] == str(self.job.id)]
        assert len(told) == ended.count("done") + ended.count("failed")


def test_the_queue_does_what_its_model_does(studios: Studios) -> None:
    with asyncio.Runner() as runner:

        async def opened() -> tuple[AsyncExitStack, Studio]:
            stack = AsyncExitStack()
            opening = await stack.enter_async_context(studios())
            return stack, await opening()

        stack, studio = runner.run(opened())
        machine = type("Machine", (QueueMachine,), {"runner": runner, "studio": studio})
        bounds = settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        )
        try:
            run_state_machine_as_test(machine, settings=bounds)
        finally:
            runner.run(stack.aclose())
