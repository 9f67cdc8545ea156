"""Leases: who holds a task, who has lost it, and what becomes of work that comes too late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from shared.ids import new_id
from shared.testing.waiting import eventually

if TYPE_CHECKING:
    from conftest import Opening, Studio


async def test_the_same_claim_again_answers_the_same_tasks(studio: Studio) -> None:
    await studio.gateway.job(5)
    worker, claim = await studio.worker(), new_id()
    first = await worker.claim(2, claim_id=claim)
    again = await worker.claim(2, claim_id=claim)
    assert [task["task_id"] for task in again] == [task["task_id"] for task in first]
    assert [task["attempt"] for task in again] == [1, 1]
    assert len(await worker.claim(10)) == 3


async def test_a_claim_that_comes_again_when_its_tasks_are_finished_takes_no_others(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker, claim = await studio.worker(), new_id()
    [task] = await worker.claim(1, claim_id=claim)
    assert (await worker.report(task)).status_code == 200
    other = await studio.gateway.job(1)
    assert await worker.claim(1, claim_id=claim, wait_s=30) == []
    assert [task["job_id"] for task in await worker.claim(1, claim_id=new_id())] == [str(other.id)]


async def test_a_claim_that_found_nothing_may_come_again(studio: Studio) -> None:
    worker, claim = await studio.worker(), new_id()
    assert await worker.claim(1, claim_id=claim) == []
    await studio.gateway.job(1)
    assert len(await worker.claim(1, claim_id=claim)) == 1


async def test_a_claim_of_one_worker_tells_another_nothing(studio: Studio) -> None:
    await studio.gateway.job(1)
    one, other, claim = await studio.worker("one"), await studio.worker("other"), new_id()
    assert len(await one.claim(1, claim_id=claim)) == 1
    assert await other.claim(1, claim_id=claim) == []


async def test_a_lost_lease_is_claimed_by_the_next_who_asks_without_any_sweep(studio: Studio) -> None:
    await studio.gateway.job(1)
    silent, next_one = await studio.worker("silent"), await studio.worker("next")
    [task] = await silent.claim()
    assert await next_one.claim() == []
    await studio.gateway.silence([task["task_id"]])
    [again] = await eventually(next_one.claim)
    assert (again["task_id"], again["attempt"]) == (task["task_id"], 2)
    for answer in (await silent.report(task), await silent.report(task, "failed")):
        assert (answer.status_code, answer.json()["code"]) == (409, "lease_lost")
    assert (await silent.heartbeat(task))["lost"] == [task["task_id"]]
    assert (await next_one.report(again)).json()["status"] == "done"


async def test_a_result_that_comes_late_is_taken_while_nobody_else_has_begun(studio: Studio) -> None:
    job = await studio.gateway.job(1)
    worker = await studio.worker(price_micros_per_hour=3_600_000_000)
    [task] = await worker.claim()
    await studio.gateway.owner.execute("UPDATE maru.tasks SET claimed_at = now() - interval '30 seconds'")
    await studio.gateway.silence([task["task_id"]])
    await studio.sweep()
    lost = await studio.gateway.task(task["task_id"])
    assert (lost["status"], lost["lease_losses"]) == ("delayed", 1)
    assert (await worker.report(task, "failed")).json()["code"] == "lease_lost"
    assert (await worker.report(task, metrics={"run_s": 30})).json()["status"] == "done"
    stored = await studio.gateway.task(task["task_id"])
    # What the loss cost is not charged twice.
    assert (stored["status"], stored["cost_micros"]) == ("done", lost["cost_micros"])
    assert 29_000_000 < stored["cost_micros"] < 40_000_000

    async def counted() -> bool:
        return bool((await studio.gateway.stored_job(job))["done"] == 1)

    await eventually(counted)


async def test_a_task_that_silences_its_workers_is_set_aside_with_their_names(studio: Studio) -> None:
    job = await studio.gateway.job(1)
    for number in range(3):
        worker = await studio.worker(f"machine-{number}")
        [task] = await eventually(worker.claim)
        await studio.gateway.silence([task["task_id"]])
    await studio.sweep()
    stored = await studio.gateway.task(job.tasks[0])
    assert (stored["status"], stored["attempt"], stored["failures"]) == ("failed", 3, 0)
    assert '"lease_lost_too_often"' in stored["error"]
    assert "machine-0, machine-1, machine-2" in stored["error"]
    assert [fact["status"] for fact in await studio.outbox("task.finished")] == ["failed"]


async def test_a_task_with_which_a_worker_fell_silent_is_taken_alone(studio: Studio) -> None:
    await studio.gateway.job(6)
    silent, worker = await studio.worker("silent"), await studio.worker("careful")
    [poison] = await silent.claim()
    await studio.gateway.silence([poison["task_id"]])
    await studio.sweep()
    await studio.gateway.hurry()
    await studio.sweep()
    batches = [[task["task_id"] for task in await worker.claim(4)] for _ in range(3)]
    alone = [batch for batch in batches if poison["task_id"] in batch]
    assert alone == [[poison["task_id"]]]
    assert sorted(len(batch) for batch in batches) == [1, 1, 4]


async def test_after_a_long_absence_of_ours_no_worker_is_blamed(studio: Studio) -> None:
    await studio.gateway.job(3)
    worker, other = await studio.worker(), await studio.worker("other")
    tasks = await worker.claim(3)
    await studio.gateway.owner.execute("UPDATE maru.dispatch_clock SET looked_at = now() - interval '10 minutes'")
    await studio.gateway.silence([task["task_id"] for task in tasks])
    await studio.sweep()
    assert await other.claim() == []
    assert sorted((await worker.heartbeat(*tasks))["extended"]) == sorted(task["task_id"] for task in tasks)
    assert [(await worker.report(task)).status_code for task in tasks] == [200, 200, 200]


async def test_only_the_clock_of_the_database_counts(studio: Studio) -> None:
    """Nothing that a worker sends moves a lease: it is as long as the dispatcher says, from when the database heard of it."""
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    claimed = await studio.gateway.task(task["task_id"])
    assert (claimed["lease_expires_at"] - claimed["claimed_at"]).total_seconds() == 60
    await worker.heartbeat(task)
    kept = await studio.gateway.task(task["task_id"])
    assert claimed["lease_expires_at"] < kept["lease_expires_at"]
    left = await studio.gateway.owner.fetchval("SELECT lease_expires_at - clock_timestamp() FROM maru.tasks")
    assert left.total_seconds() <= 60


async def test_a_worker_hears_of_a_cancelled_task_at_its_next_heartbeat(studio: Studio) -> None:
    await studio.gateway.job(2)
    worker = await studio.worker()
    cancelled, kept = await worker.claim(2)
    await studio.gateway.owner.execute(
        "UPDATE maru.tasks SET status = 'cancelled', finished_at = now(), lease_expires_at = NULL WHERE id = $1",
        cancelled["task_id"],
    )
    answer = await worker.heartbeat(cancelled, kept)
    assert (answer["extended"], answer["cancelled"], answer["lost"]) == (
        [kept["task_id"]],
        [cancelled["task_id"]],
        [],
    )
    refused = await worker.report(cancelled)
    assert (refused.status_code, refused.json()["code"]) == (409, "task_cancelled")
    presign = {"task_id": cancelled["task_id"], "attempt": 1, "type": "download_input"}
    assert (await worker.call("presign", presign)).json()["code"] == "task_cancelled"


async def test_failures_are_tried_again_up_to_their_limit(studio: Studio) -> None:
    await studio.gateway.job(1, max_attempts=2)
    worker = await studio.worker()
    [task] = await worker.claim()
    first = await worker.report(task, "failed", error={"code": "out_of_memory", "detail": "Too large.", "lines": ["x"]})
    assert first.json()["status"] == "queued"
    delayed = await studio.gateway.task(task["task_id"])
    assert (delayed["status"], delayed["failures"], delayed["lease_losses"]) == ("delayed", 1, 0)
    assert await worker.claim() == []
    assert (await worker.report(task, "failed")).json() == first.json()
    assert (await worker.report(task, "done")).json()["code"] == "lease_lost"

    await studio.gateway.hurry()
    [again] = await eventually(worker.claim)
    assert (await worker.report(again, "failed", error="It broke.")).json()["status"] == "failed"
    stored = await studio.gateway.task(task["task_id"])
    assert (stored["status"], stored["attempt"]) == ("failed", 2)
    assert '"It broke."' in stored["error"]


async def test_a_failure_that_will_not_get_better_ends_the_task_at_once(studio: Studio) -> None:
    await studio.gateway.job(1)
    worker = await studio.worker()
    [task] = await worker.claim()
    assert (await worker.report(task, "failed", retryable=False)).json()["status"] == "failed"
    assert (await studio.gateway.task(task["task_id"]))["finished_at"] is not None


async def test_what_is_handed_back_costs_nobody_anything_and_goes_to_another(studio: Studio) -> None:
    await studio.gateway.job(2)
    leaving, staying = await studio.worker("leaving"), await studio.worker("staying")
    tasks = await leaving.claim(2)
    held = [{"task_id": task["task_id"], "attempt": 1} for task in tasks]
    answer = await leaving.call("release", {"worker_id": "leaving", "tasks": held})
    assert sorted(answer.json()["released"]) == sorted(task["task_id"] for task in tasks)
    again = await eventually(lambda: staying.claim(2))
    assert [task["attempt"] for task in again] == [2, 2]
    stored = await studio.gateway.task(again[0]["task_id"])
    assert (stored["failures"], stored["lease_losses"], stored["cost_micros"]) == (0, 0, 0)


async def test_a_draining_worker_keeps_what_it_has_and_gets_nothing_more(studio: Studio) -> None:
    await studio.gateway.job(3)
    worker = await studio.worker()
    [task] = await worker.claim()
    assert (await worker.call("drain", {"worker_id": worker.name})).status_code == 204
    asked = await worker.call("next-task", {"worker_id": worker.name, "wait_s": 30})
    assert asked.json() == {"tasks": [], "drain": True}
    assert (await worker.heartbeat(task))["drain"] is True
    assert (await worker.report(task)).json()["status"] == "done"
    assert (await worker.call("register", {"worker_id": worker.name})).json()["draining"] is False
    assert len(await worker.claim()) == 1


async def test_a_paused_job_gives_nothing_away_whatever_comes_back_to_it(studio: Studio) -> None:
    job = await studio.gateway.job(3)
    worker = await studio.worker()
    tasks = await worker.claim(3)
    await studio.gateway.owner.execute("UPDATE maru.jobs SET status = 'paused' WHERE id = $1", job.id)
    await worker.report(tasks[0], "failed")
    await worker.call("release", {"tasks": [{"task_id": tasks[1]["task_id"], "attempt": 1}]})
    await studio.gateway.silence([tasks[2]["task_id"]])
    await studio.sweep()
    await studio.gateway.hurry()
    await studio.sweep()
    assert await worker.claim(3) == []
    held = await studio.gateway.owner.fetch("SELECT status FROM maru.tasks")
    assert {row["status"] for row in held} == {"held"}


async def test_two_dispatchers_share_one_queue(open_studio: Opening) -> None:
    one, other = await open_studio(), await open_studio()
    await one.gateway.job(4)
    worker = await one.worker()
    first = await worker.claim(2)
    worker.http = other.http
    second = await worker.claim(4)
    assert len({task["task_id"] for task in first + second}) == 4
    statuses = [(await worker.report(task)).status_code for task in first + second]
    assert statuses == [200] * 4


async def test_reports_and_the_next_claim_go_in_one_call(studio: Studio) -> None:
    await studio.gateway.job(4)
    worker = await studio.worker()

    async def exchange(reports: list[dict[str, Any]], count: int) -> dict[str, Any]:
        body = {"reports": reports, "next": {"worker_id": worker.name, "max_tasks": count}}
        answer = await worker.call("exchange", body)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    begun = await exchange([], 2)
    reports = [{"task_id": task["task_id"], "attempt": 1, "status": "done"} for task in begun["tasks"]]
    stale = {"task_id": str(new_id()), "attempt": 1, "status": "done"}
    contrary = {**reports[0], "status": "failed"}
    answer = await exchange([reports[1], stale, reports[0], reports[0], contrary], 10)
    assert [outcome["status"] or outcome["code"] for outcome in answer["reports"]] == [
        "done",
        "task_not_found",
        "done",
        "done",
        "lease_lost",
    ]
    assert len(answer["tasks"]) == 2
    assert (await worker.call("exchange", {"reports": reports})).json()["tasks"] == []


async def test_who_has_nothing_to_report_may_wait_in_an_exchange(studio: Studio) -> None:
    worker = await studio.worker()
    body = {"next": {"worker_id": worker.name, "wait_s": 20}}
    waiting = asyncio.create_task(worker.call("exchange", body))
    job = await studio.gateway.job(1)
    answer = (await waiting).json()
    assert (answer["reports"], [task["job_id"] for task in answer["tasks"]]) == ([], [str(job.id)])
