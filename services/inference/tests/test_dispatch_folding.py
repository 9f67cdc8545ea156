"""What finished is folded into its job: exact counts, what it cost, and what followers are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from shared.db import Database
from shared.studio.folding_store import fold
from shared.testing.waiting import eventually

if TYPE_CHECKING:
    from conftest import MadeJob, Opening, Studio, WorkerAgent


async def _ended(studio: Studio, job: MadeJob, status: str) -> Any:
    async def reached() -> Any:
        stored = await studio.gateway.stored_job(job)
        return stored if stored["status"] == status else None

    return await eventually(reached)


async def test_a_job_runs_while_somebody_works_on_it(studio: Studio) -> None:
    job = await studio.gateway.job(3)
    worker = await studio.worker()
    await worker.claim(2)
    stored = await _ended(studio, job, "running")
    assert stored["started_at"] is not None
    [(kind, data)] = await studio.events(job)
    assert (kind, data["status"], data["total"]) == ("progress", "running", 3)
    assert data["counts"] == {"queued": 1, "processing": 2, "done": 0, "failed": 0, "cancelled": 0}
    assert [task["status"] for task in data["tasks"]] == ["processing", "processing"]
    assert {task["worker"] for task in data["tasks"]} == {worker.name}


async def test_one_failure_makes_a_failed_job_once_everything_has_ended(studio: Studio) -> None:
    job = await studio.gateway.job(3, max_attempts=1)
    worker = await studio.worker()
    one, two, three = await worker.claim(3)
    await worker.report(one, "failed", error={"code": "broken", "detail": "It broke."})
    await worker.report(two)
    await worker.report(three)
    stored = await _ended(studio, job, "failed")
    assert (stored["done"], stored["failed"], stored["finished_at"] is not None) == (2, 1, True)
    kind, data = (await studio.events(job))[-1]
    assert (kind, data["counts"]["failed"], data["counts"]["done"]) == ("failed", 1, 2)
    [fact] = await studio.outbox("job.finished")
    assert (fact["status"], fact["counts"]["failed"]) == ("failed", 1)
    assert len(await studio.outbox("task.finished")) == 3


async def test_every_attempt_costs_what_it_took_and_no_more_than_the_lease_says(studio: Studio) -> None:
    """3.6 dollars an hour: a second costs a thousand micro-dollars."""
    job = await studio.gateway.job(1)
    worker = await studio.worker(price_micros_per_hour=3_600_000_000)
    [first] = await worker.claim()
    await studio.gateway.owner.execute("UPDATE maru.tasks SET claimed_at = now() - interval '10 seconds'")
    await worker.report(first, "failed", metrics={"run_s": 4})
    await studio.gateway.hurry()
    [second] = await eventually(worker.claim)
    await studio.gateway.owner.execute("UPDATE maru.tasks SET claimed_at = now() - interval '2 seconds'")
    await worker.report(second, metrics={"run_s": 1_000_000})
    stored = await _ended(studio, job, "done")
    task = await studio.gateway.task(first["task_id"])
    assert (stored["cost_micros"], stored["run_ms"]) == (task["cost_micros"], task["run_ms"])
    assert 6_000 <= task["run_ms"] < 12_000
    assert task["cost_micros"] == task["run_ms"] * 1000


async def test_what_a_worker_measures_wrongly_changes_nothing_but_its_own_cost(studio: Studio) -> None:
    await studio.gateway.job(4)
    worker = await studio.worker(price_micros_per_hour=3_600_000_000)
    for task, measured in zip(await worker.claim(4), (-5, "fast", True, 1e300), strict=True):
        assert (await worker.report(task, metrics={"run_s": measured})).status_code == 200
    costs = await studio.gateway.owner.fetch("SELECT cost_micros FROM maru.tasks")
    assert all(0 <= row["cost_micros"] < 60_000_000 for row in costs)


async def test_how_long_a_runner_takes_is_remembered_without_saying_whose(studio: Studio) -> None:
    job = await studio.gateway.job(2)
    worker = await studio.worker(capabilities={"runners": ["image"], "gpu_name": "NVIDIA H200"})
    for task in await worker.claim(2):
        await worker.report(task, metrics={"run_s": 0.001})
    await _ended(studio, job, "done")
    [times] = await studio.gateway.owner.fetch("SELECT runner, gpu_name, tasks, run_ms FROM maru.runner_times")
    assert (times["runner"], times["gpu_name"], times["tasks"]) == ("image", "NVIDIA H200", 2)


async def test_what_a_dispatcher_left_when_it_died_is_folded_by_the_sweep(open_studio: Opening) -> None:
    studio: Studio = await open_studio()
    job = await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    # As a process that ended between the report and the fold leaves it.
    await studio.app.state.dispatch.folder.close()
    await worker.report(task)
    await studio.app.state.dispatch.folder.close()
    assert (await studio.gateway.stored_job(job))["done"] == 0
    await studio.sweep()
    assert (await studio.gateway.stored_job(job))["status"] == "done"
    assert len(await studio.outbox("job.finished")) == 1
    await studio.sweep()
    assert len(await studio.outbox("job.finished")) == 1


async def test_what_a_deleted_job_leaves_goes_with_the_sweep(studio: Studio) -> None:
    job = await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    await worker.report(task)
    await studio.gateway.owner.execute("DELETE FROM maru.jobs WHERE id = $1", job.id)
    await studio.sweep()
    assert await studio.gateway.owner.fetchval("SELECT count(*) FROM maru.job_deltas") == 0


async def test_counts_are_exact_when_many_fold_and_report_at_once(open_studio: Opening) -> None:
    studio: Studio = await open_studio()
    other: Studio = await open_studio()
    job = await studio.gateway.job(60)
    database = Database(studio.environment["DATABASE_URL"], max_size=3)

    async def work(worker: WorkerAgent) -> None:
        while tasks := await worker.claim(3):
            for task in tasks:
                await worker.report(task)

    async def fold_often() -> None:
        for _ in range(20):
            async with database.space_tx(job.space_id) as connection:
                await fold(connection, job.id)

    workers = [await studio.worker("a"), await studio.worker("b")]
    workers[1].http = other.http
    await asyncio.gather(*map(work, workers), fold_often(), fold_often())
    stored = await _ended(studio, job, "done")
    assert (stored["done"], stored["failed"], stored["cancelled"]) == (60, 0, 0)
    terminal = [kind for kind, _ in await studio.events(job) if kind != "progress"]
    assert terminal == ["done"]
    assert len(await studio.outbox("job.finished")) == 1
    assert await studio.gateway.owner.fetchval("SELECT count(*) FROM maru.job_deltas") == 0
    await database.close()


async def test_followers_hear_how_a_running_task_gets_on(studio: Studio) -> None:
    job = await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    await worker.heartbeat(task, progress=0.25)

    async def told() -> bool:
        return any(shown["progress"] == 0.25 for _, data in await studio.events(job) for shown in data.get("tasks", ()))

    await eventually(told)


async def test_a_fold_waits_for_nobody(studio: Studio) -> None:
    """Whoever holds the job, such as a command of its owner, is not waited for; they fold what they see."""
    job = await studio.gateway.job(1)
    database = Database(studio.environment["DATABASE_URL"], max_size=2)
    async with database.space_tx(job.space_id) as holder:
        await holder.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job.id)
        async with database.space_tx(job.space_id) as other:
            assert await fold(other, job.id) is None
        outcome = await fold(holder, job.id)
        assert outcome is not None
        assert (outcome.status, outcome.stream_id, outcome.finished) == ("queued", job.stream_id, False)
    await database.close()
