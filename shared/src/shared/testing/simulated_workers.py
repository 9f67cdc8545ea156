"""Workers that vanish, hang, lie, repeat themselves and lose answers: `python -m shared.testing.simulated_workers` with a `Plan` as JSON on stdin.

Tasks say in their parameters how they are (`kind`): `fine`; `flaky` fails twice; `hopeless` always fails; `broken` fails for good at once; `poison`
takes whoever touches it down, with everything else it holds. What every worker was told goes into a journal, which a test compares with the truth.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.testing.worker_client import Answer, WorkerClient

_AGAIN_S = 0.05
_FLAKY_ATTEMPTS = 2
# Misfortune strikes first attempts alone: no task that deserves better loses its lease so often that it is given up.
_UNLUCKY_ATTEMPTS = 1
_LIES = {"run_s": 1e9, "started_at": "1970-01-01T00:00:00Z", "finished_at": "2999-12-31T23:59:59Z"}
_WRONG_CLOCK = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
_FINE_CODES = frozenset({"lease_lost", "task_cancelled"})


@dataclass(frozen=True, slots=True)
class Plan:
    """How many workers of one process, and how often what happens to each (chances from 0 to 1)."""

    url: str
    token: str
    journal: str
    seed: int
    workers: int
    name: str
    runner: str
    lease_s: float
    most_tasks: int = 8
    work_s: float = 0.02
    vanishes: float = 0.03
    hangs: float = 0.02
    releases: float = 0.03
    beats: float = 0.1
    loses_answers: float = 0.06
    repeats: float = 0.08
    goes_back: float = 0.08

    def to_json(self) -> str:
        """As the process reads it."""
        return json.dumps(asdict(self))


class Journal:
    """One line for each thing that a worker knows; a killed process leaves whole lines."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, event: str, **facts: Any) -> None:
        """Add a line."""
        os.write(self._file, json.dumps({"event": event, **facts}).encode() + b"\n")


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """The lines, oldest first."""
    for line in path.read_text().splitlines():
        yield json.loads(line)


class SimulatedWorker:
    """One machine, one task after another or several together; half of them report and claim in one call."""

    def __init__(self, plan: Plan, number: int, journal: Journal) -> None:
        self._plan, self._number, self._journal = plan, number, journal
        self._random = random.Random(f"{plan.seed}/{plan.name}/{number}")
        self._exchanges = number % 2 == 0
        self._life = 0
        self._beat_s = 0.0
        self._name = ""
        self._client = WorkerClient(plan.url, plan.token, timeout_s=10, headers=_WRONG_CLOCK if number % 5 == 0 else "")
        self.stopping = False

    async def run(self) -> None:
        """Until it is told to stop."""
        await self._begin_life()
        tasks: list[dict[str, Any]] = []
        while not self.stopping:
            tasks = await self._work(tasks) if tasks else await self._claim()
        self._client.hang_up()

    async def _begin_life(self) -> None:
        self._life += 1
        self._name = f"{self._plan.name}-{self._number}.{self._life}"
        await self._ask("register", {"worker_id": self._name, "capabilities": {"runners": [self._plan.runner]}})

    async def _claim(self) -> list[dict[str, Any]]:
        wanted = self._wanted()
        answer = await self._ask("next-task", wanted)
        if answer.status != 200:
            await asyncio.sleep(_AGAIN_S)
            return []
        return self._claimed(wanted, answer.body["tasks"])

    def _wanted(self) -> dict[str, Any]:
        return {
            "worker_id": self._name,
            "max_tasks": self._random.randint(1, self._plan.most_tasks),
            "wait_s": self._random.choice((0, 0, 0.5, 2)),
            "claim_id": str(UUID(int=self._random.getrandbits(128), version=4)),
        }

    def _claimed(self, wanted: dict[str, Any], tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if tasks:
            held = [[task["task_id"], task["attempt"]] for task in tasks]
            self._journal.write("claimed", worker=self._name, claim=wanted["claim_id"], tasks=held)
        return tasks

    async def _work(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What it holds afterwards."""
        plan, dice = self._plan, self._random
        unlucky = all(task["attempt"] <= _UNLUCKY_ATTEMPTS for task in tasks)
        if any(task["params"].get("kind") == "poison" for task in tasks):
            return await self._vanish(tasks, "poison")
        if unlucky and dice.random() < plan.vanishes:
            return await self._vanish(tasks, "vanished")
        if unlucky and dice.random() < plan.hangs:
            self._journal.write("left", why="hung", worker=self._name, tasks=[task["task_id"] for task in tasks])
            await asyncio.sleep(plan.lease_s * 1.4)
        else:
            await asyncio.sleep(dice.random() * plan.work_s)
            tasks = await self._beat(tasks)
            tasks = await self._release(tasks)
        reports = [self._report(task) for task in tasks]
        if self._exchanges:
            self._admit_delay(tasks)
            return await self._exchange(reports)
        for place, report in enumerate(reports):
            await self._keep(tasks[place:])
            self._admit_delay(tasks[place:])
            await self._tell(report)
        return []

    async def _vanish(self, tasks: list[dict[str, Any]], why: str) -> list[dict[str, Any]]:
        self._journal.write("left", why=why, worker=self._name, tasks=[task["task_id"] for task in tasks])
        self._client.hang_up()
        await self._begin_life()
        return []

    async def _keep(self, tasks: list[dict[str, Any]]) -> None:
        """Heartbeats of a worker that is slow and well: the machine may be busy."""
        if asyncio.get_running_loop().time() - self._beat_s > self._plan.lease_s / 4:
            await self._ask("heartbeat", {"tasks": [_held(task) for task in tasks]})

    def _admit_delay(self, tasks: list[dict[str, Any]]) -> None:
        """Where the machine let it wait so long that the lease may be over, it is rightly blamed."""
        if asyncio.get_running_loop().time() - self._beat_s > self._plan.lease_s * 0.7:
            self._journal.write("left", why="slow", worker=self._name, tasks=[task["task_id"] for task in tasks])

    async def _beat(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self._random.random() >= self._plan.beats:
            return tasks
        answer = await self._ask("heartbeat", {"worker_id": self._name, "tasks": [_held(task) for task in tasks]})
        if answer.status != 200:
            self._surprised("heartbeat", answer)
            return tasks
        # It is told to stop; what was lost it reports all the same, late.
        return [task for task in tasks if task["task_id"] not in answer.body["cancelled"]]

    async def _release(self, tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not tasks or self._random.random() >= self._plan.releases:
            return tasks
        kept = self._random.randrange(len(tasks))
        back = tasks[kept:]
        answer = await self._ask("release", {"worker_id": self._name, "tasks": [_held(task) for task in back]})
        if answer.status == 200:
            self._journal.write("released", worker=self._name, tasks=answer.body["released"])
        else:
            self._surprised("release", answer)
        return tasks[:kept]

    def _report(self, task: dict[str, Any]) -> dict[str, Any]:
        kind, attempt = task["params"].get("kind"), task["attempt"]
        report = {"task_id": task["task_id"], "attempt": attempt, "status": "done", "metrics": _LIES}
        fails = kind in {"hopeless", "broken"} or (kind == "flaky" and attempt <= _FLAKY_ATTEMPTS)
        if not fails:
            return report
        error = {"code": f"simulated_{kind}", "detail": f"The simulated task is {kind}."}
        return report | {"status": "failed", "error": error, "retryable": kind != "broken"}

    async def _tell(self, report: dict[str, Any]) -> None:
        answer = await self._ask("report", report)
        accepted = answer.status == 200
        self._told(report, answer.body.get("status") if accepted else None, answer.body.get("code"))
        if accepted and self._random.random() < self._plan.repeats:
            again = await self._ask("report", report)
            if again.body != answer.body:
                self._surprised("the same report again", again)
        if accepted and report["attempt"] > 1 and self._random.random() < self._plan.goes_back:
            stale = await self._ask("report", report | {"attempt": report["attempt"] - 1})
            if (stale.status, stale.body.get("code")) != (409, "lease_lost"):
                self._surprised("a report of an older attempt", stale)

    async def _exchange(self, reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        wanted = self._wanted()
        answer = await self._ask("exchange", {"reports": reports, "next": wanted})
        if answer.status != 200:
            self._surprised("exchange", answer)
            return []
        for report, outcome in zip(reports, answer.body["reports"], strict=True):
            self._told(report, outcome.get("status"), outcome.get("code"))
        return self._claimed(wanted, answer.body["tasks"])

    def _told(self, report: dict[str, Any], became: str | None, code: str | None) -> None:
        self._journal.write(
            "told", worker=self._name, task=report["task_id"], attempt=report["attempt"], said=report["status"], became=became, code=code
        )  # fmt: skip
        if became is None and code not in _FINE_CODES:
            self._journal.write("surprise", worker=self._name, asked="report", status=409, body=code)

    async def _ask(self, name: str, body: dict[str, Any]) -> Answer:
        """Until there is an answer: the dispatcher may be away, and some answers are lost on the way."""
        if self._random.random() < self._plan.loses_answers:
            try:
                await self._client.call_unheard(name, body)
            except ConnectionError:
                await asyncio.sleep(_AGAIN_S)
        while True:
            sent_s = asyncio.get_running_loop().time()
            try:
                answer = await self._client.call(name, body)
            except ConnectionError:
                await asyncio.sleep(_AGAIN_S)
                continue
            if answer.status >= 500 or answer.status in {401, 404, 422, 429}:
                self._surprised(name, answer)
                await asyncio.sleep(_AGAIN_S)
            if answer.status < 500 or self.stopping:
                if name in {"next-task", "exchange", "heartbeat"}:
                    self._beat_s = sent_s
                return answer

    def _surprised(self, asked: str, answer: Answer) -> None:
        self._journal.write("surprise", worker=self._name, asked=asked, status=answer.status, body=answer.body)


def _held(task: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": task["task_id"], "attempt": task["attempt"], "progress": 0.5}


async def simulate(plan: Plan) -> None:
    """All workers of this process, until SIGTERM."""
    journal = Journal(plan.journal)
    workers = [SimulatedWorker(plan, number, journal) for number in range(plan.workers)]

    def stop() -> None:
        for worker in workers:
            worker.stopping = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    await asyncio.gather(*(worker.run() for worker in workers))


if __name__ == "__main__":
    asyncio.run(simulate(Plan(**json.load(sys.stdin))))
