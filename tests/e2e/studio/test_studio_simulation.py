"""Promise 3: fifty workers that vanish, hang, lie, repeat themselves and lose answers, while the dispatcher is killed and people steer their jobs.

No task is lost, none is accepted twice, poison is set aside with its cause and nobody else is blamed, and the counts are exact: at the end, and
whenever somebody looks.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from shared.streams.events import TERMINAL_EVENTS
from shared.testing import eventually
from shared.testing.serving import SentEvent, sent_events
from shared.testing.simulated_workers import Plan, read_journal

_LEASE_S = 5.0
_WORKERS = 50
_PROCESSES = 2
_FINISHED = "status IN ('done', 'failed', 'cancelled')"
_STATE = {"fine": "done", "flaky": "done", "hopeless": "failed", "broken": "failed", "poison": "failed"}
_CODE = {"hopeless": "simulated_hopeless", "broken": "simulated_broken", "poison": "lease_lost_too_often"}


def kinds(number: int, chance: random.Random) -> list[str]:
    """Mostly fine ones, and some of each other kind wherever they fall."""
    rare = ["poison"] * 3 + ["broken"] * 8 + ["hopeless"] * 5 + ["flaky"] * (number // 40)
    mixed = rare + ["fine"] * (number - len(rare))
    chance.shuffle(mixed)
    return mixed


@dataclass
class Crowd:
    """Processes of simulated workers; one that is killed leaves everything that it held behind."""

    studio: Any
    seed: int
    token: str
    journal: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)

    def add(self, workers: int) -> str:
        name = f"p{len(self.running) + len(self.killed)}"
        plan = Plan(
            url=self.studio.inference.url,
            token=self.token,
            journal=str(self.journal),
            seed=self.seed,
            workers=workers,
            name=name,
            runner="simulated",
            lease_s=_LEASE_S,
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "shared.testing.simulated_workers"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(plan.to_json().encode())
        process.stdin.close()
        self.running[name] = process
        return name

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()
        self.killed.append(name)

    def dismiss(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(_LEASE_S * 2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in read_journal(self.journal) if line["event"] == event]

    def was_killed(self, worker: str) -> bool:
        return worker.partition("-")[0] in self.killed


@dataclass
class Watch:
    """One job, looked at all the while."""

    client: httpx.AsyncClient
    job_id: str
    rows: Callable[..., list[dict[str, Any]]]
    chance: random.Random
    events: list[SentEvent] = field(default_factory=list)
    samples: int = 0

    async def follow(self) -> None:
        """Its stream until it ends, with connections that break."""
        while not (self.events and self.events[-1].type in TERMINAL_EVENTS):
            last = {"Last-Event-ID": str(self.events[-1].id)} if self.events else {}
            async with self.client.stream("GET", f"/api/v1/jobs/{self.job_id}/events", headers=last) as answer:
                assert answer.status_code == 200
                async for event in sent_events(answer.aiter_lines()):
                    self.events.append(event)
                    if event.type not in TERMINAL_EVENTS and self.chance.random() < 0.05:
                        break

    async def sample(self) -> None:
        """Its counts until it ends: each lies between what the tasks said before and what they say afterwards."""
        status = ""
        while status not in {"done", "failed", "cancelled"}:
            before = self.finished()
            job = await self.read()
            after = self.finished()
            assert sum(job["counts"].values()) == job["total"], job
            for state, number in job["counts"].items():
                if state in before:
                    assert before[state] <= number <= after[state], (state, before, job["counts"], after)
            self.samples += 1
            status = job["status"]
            await asyncio.sleep(0.1 + self.chance.random() * 0.3)

    async def read(self) -> dict[str, Any]:
        answer = await self.client.get(f"/api/v1/jobs/{self.job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    async def command(self, name: str) -> None:
        answer = await self.client.post(f"/api/v1/jobs/{self.job_id}/{name}")
        assert answer.status_code == 200, answer.text

    async def has_done(self, number: int) -> None:
        """Wait until so many tasks have finished."""
        await eventually(lambda: sum(self.finished().values()) >= number, within=120, every=0.05)

    def finished(self) -> dict[str, int]:
        """How many tasks have ended, in which way."""
        query = f"SELECT status, count(*) AS n FROM maru.tasks WHERE job_id = %s AND {_FINISHED} GROUP BY status"
        found = {row["status"]: row["n"] for row in self.rows(query, self.job_id)}
        return {state: found.get(state, 0) for state in ("done", "failed", "cancelled")}

    def attempts(self) -> int:
        """How often its tasks have been claimed."""
        return int(self.rows("SELECT sum(attempt) AS n FROM maru.tasks WHERE job_id = %s", self.job_id)[0]["n"])


@asynccontextmanager
async def subscribed(superuser_url: str) -> AsyncGenerator[list[tuple[str, dict[str, Any]]]]:
    """Facts, taken out of the outbox as the relay takes them."""
    import json

    facts: list[tuple[str, dict[str, Any]]] = []
    connection = await asyncpg.connect(superuser_url)

    async def take() -> None:
        while True:
            rows = await connection.fetch(
                "DELETE FROM maru.outbox WHERE kind = 'event' RETURNING topic_or_queue, body::text AS body"
            )
            facts.extend((row["topic_or_queue"], json.loads(row["body"])) for row in rows)
            await asyncio.sleep(0.1)

    taking = asyncio.create_task(take())
    try:
        yield facts
        nothing = "SELECT NOT EXISTS (SELECT FROM maru.outbox WHERE kind = 'event')"
        watcher = await asyncpg.connect(superuser_url)
        await eventually(lambda: watcher.fetchval(nothing))
        await watcher.close()
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await connection.close()


async def misfortunes(studio: Any, crowd: Crowd, large: Watch, cancelled: Watch, paused: Watch, tasks: int) -> None:
    """What befalls the simulation."""
    await paused.has_done(10)
    await paused.command("pause")
    await nothing_is_claimed_of(paused)
    await cancelled.has_done(20)
    await cancelled.command("cancel")
    await large.has_done(tasks // 10)
    crowd.kill(next(iter(crowd.running)))
    crowd.add(_WORKERS // _PROCESSES)
    for share in (0.25, 0.6):
        await large.has_done(int(tasks * share))
        await the_dispatcher_dies(studio)
    await paused.command("resume")


async def the_dispatcher_dies(studio: Any) -> None:
    """For what the database takes for ten minutes, however soon it is back: so nobody may be blamed, whatever the machine is busy with."""
    studio.inference.kill()
    with studio.database() as owner:
        owner.execute("UPDATE maru.dispatch_clock SET looked_at = now() - interval '10 minutes'")
    await asyncio.to_thread(studio.inference.start)


async def nothing_is_claimed_of(paused: Watch) -> None:
    """While workers ask for more all the time: they work on the other jobs meanwhile."""
    claimed = paused.attempts()
    for _ in range(10):
        await asyncio.sleep(0.05)
        assert paused.attempts() == claimed
    assert (await paused.read())["status"] == "paused"


async def simulate(studio: Any, tasks: int, seed: int) -> None:
    """A whole run with its checks."""
    chance = random.Random(seed)
    (one, _), (other, _) = await studio.person(), await studio.person()
    mix = kinds(tasks, chance)
    jobs = [
        await studio.job(one, mix),
        await studio.job(other, ["fine"] * (tasks // 5)),
        await studio.job(one, ["fine"] * (tasks // 10), priority=10),
    ]
    clients = [one, other, one]
    watches = [Watch(client, job["id"], studio.rows, chance) for client, job in zip(clients, jobs, strict=True)]
    large, cancelled, paused = watches
    crowd = Crowd(studio, seed, studio.token(), studio.home / "journal.jsonl")
    async with subscribed(studio.urls.superuser) as facts:
        try:
            for _ in range(_PROCESSES):
                crowd.add(_WORKERS // _PROCESSES)
            watching = [asyncio.create_task(looking()) for watch in watches for looking in (watch.follow, watch.sample)]
            await misfortunes(studio, crowd, large, cancelled, paused, tasks)
            await asyncio.gather(*watching)
        finally:
            await asyncio.to_thread(crowd.dismiss)
    for watch in watches:
        await the_counts_are_exact(watch)
        await the_stream_ends_once(watch)
    every_task_ended_as_it_deserves(studio, large, mix)
    nothing_was_accepted_twice(studio, crowd)
    the_facts_are_told_once(studio, facts)
    nobody_is_blamed_without_reason(studio, crowd)
    assert crowd.lines("surprise") == []
    assert min(watch.samples for watch in watches) > 1
    assert (await cancelled.read())["status"] == "cancelled"
    assert (await paused.read())["status"] == "done"


async def the_counts_are_exact(watch: Watch) -> None:
    job = await watch.read()
    ended = watch.finished()
    assert job["counts"] == {"queued": 0, "processing": 0, **ended}
    assert sum(ended.values()) == job["total"]
    stored = watch.rows("SELECT done, failed, cancelled, finished_at FROM maru.jobs WHERE id = %s", watch.job_id)[0]
    assert {state: stored[state] for state in ended} == ended, "counted before it was folded, or twice"
    assert stored["finished_at"] is not None


async def the_stream_ends_once(watch: Watch) -> None:
    async with watch.client.stream("GET", f"/api/v1/jobs/{watch.job_id}/events") as answer:
        again = [event async for event in sent_events(answer.aiter_lines())]
    assert again == watch.events, "what was followed through broken connections is what a later reader sees"
    assert [event.type in TERMINAL_EVENTS for event in again].index(True) == len(again) - 1
    assert [event.id for event in again] == sorted({event.id for event in again})
    job = await watch.read()
    assert (again[-1].type, again[-1].data["counts"]) == (job["status"], job["counts"])


def every_task_ended_as_it_deserves(studio: Any, large: Watch, mix: list[str]) -> None:
    rows = studio.rows(
        "SELECT id, seq, status, failures, lease_losses, error, worker_name, lost_by, run_ms FROM maru.tasks WHERE job_id = %s ORDER BY seq",
        large.job_id,
    )
    assert len(rows) == len(mix)
    for kind, row in zip(mix, rows, strict=True):
        assert (row["status"], (row["error"] or {}).get("code")) == (_STATE[kind], _CODE.get(kind)), (kind, row)
        assert row["run_ms"] < 300_000, "a worker's clock counted"
        if kind == "broken":
            assert row["failures"] == 1
        if kind == "hopeless":
            assert row["failures"] == 3
        if kind == "poison":
            assert row["lease_losses"] == 3
            assert all(name in row["error"]["detail"] for name in row["lost_by"])


def nothing_was_accepted_twice(studio: Any, crowd: Crowd) -> None:
    claimed: dict[tuple[str, int], set[str]] = defaultdict(set)
    for line in crowd.lines("claimed"):
        for task, attempt in line["tasks"]:
            claimed[task, attempt].add(f"{line['worker']} {line['claim']}")
    assert {held: who for held, who in claimed.items() if len(who) > 1} == {}, "one attempt was given out twice"
    accepted: dict[str, set[int]] = defaultdict(set)
    for line in crowd.lines("told"):
        if line["became"] == "done":
            accepted[line["task"]].add(line["attempt"])
    rows = studio.rows("SELECT id::text, status, reported_attempt, worker_name FROM maru.tasks")
    done = {row["id"]: row for row in rows if row["status"] == "done"}
    assert set(accepted) <= set(done), "an accepted result is gone"
    for task, row in done.items():
        # A process that was killed may have been told and not have noted it.
        expected = accepted[task] or (set() if not crowd.was_killed(row["worker_name"]) else {row["reported_attempt"]})
        assert expected == {row["reported_attempt"]}, (task, row)


def the_facts_are_told_once(studio: Any, facts: list[tuple[str, dict[str, Any]]]) -> None:
    finished = Counter(
        (body["task_id"], body["status"], body["attempt"]) for topic, body in facts if topic == "task.finished"
    )
    rows = studio.rows("SELECT id::text, status, attempt FROM maru.tasks WHERE status IN ('done', 'failed')")
    told = {fact: times for fact, times in finished.items() if fact[1] in {"done", "failed"}}
    assert told == {(row["id"], row["status"], row["attempt"]): 1 for row in rows}
    ended = Counter((body["job_id"], body["status"]) for topic, body in facts if topic == "job.finished")
    assert ended == Counter((row["id"], row["status"]) for row in studio.rows("SELECT id::text, status FROM maru.jobs"))


def nobody_is_blamed_without_reason(studio: Any, crowd: Crowd) -> None:
    left = {(task, line["worker"]) for line in crowd.lines("left") for task in line["tasks"]}
    rows = studio.rows("SELECT id::text, lost_by FROM maru.tasks WHERE lease_losses > 0")
    assert rows, "nobody ever lost a lease: this proves nothing"
    blamed = {(row["id"], name) for row in rows for name in row["lost_by"] if not crowd.was_killed(name)}
    told = {(task, line["worker"]) for line in crowd.lines("claimed") for task, _ in line["tasks"]}
    # A call that everybody took for lost may come late and take tasks that nobody hears of: these come back when their lease ends.
    assert (blamed & told) <= left, (blamed & told) - left


@pytest.mark.timeout(300)
async def test_fifty_workers_lose_no_task_and_finish_none_twice(studio: Any) -> None:
    seed = random.randrange(1_000_000)
    await _noting(seed, partial(simulate, studio, 2_200, seed))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(4))
async def test_fifty_workers_at_length(studio: Any, part: int) -> None:
    await _noting(part, partial(simulate, studio, 30_000, part))


async def _noting(seed: int, run: Callable[[], Any]) -> None:
    try:
        await run()
    except BaseException as failure:
        failure.add_note(f"seed {seed}")
        raise
