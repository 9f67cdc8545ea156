"""Who is given what: fair shares, priorities, what a machine can do, and waiting."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from shared.testing.serving import served
from shared.testing.waiting import eventually

if TYPE_CHECKING:
    from conftest import Studio

H200 = {
    "runners": [{"name": "diffusers", "any_model": True}, "image"],
    "gpu_name": "NVIDIA H200",
    "gpu_memory_gib": 139,
}
SMALL = {"runners": ["diffusers", "image"], "gpu_name": "NVIDIA T4", "gpu_memory_gib": 15}


async def test_three_tasks_do_not_wait_for_ten_thousand_of_another_space(studio: Studio) -> None:
    await studio.gateway.job(10_000)
    worker = await studio.worker()
    assert len(await worker.claim(10)) == 10
    small = await studio.gateway.job(3)
    given = [task["job_id"] for _ in range(2) for task in await worker.claim(10)]
    assert given.count(str(small.id)) == 3


async def test_spaces_take_turns(studio: Studio) -> None:
    jobs = [await studio.gateway.job(8) for _ in range(3)]
    worker = await studio.worker()
    given = [task["job_id"] for task in await worker.claim(12)]
    assert {str(job.id): given.count(str(job.id)) for job in jobs} == {str(job.id): 4 for job in jobs}


async def test_a_priority_counts_within_its_space_and_takes_nothing_from_others(studio: Studio) -> None:
    ordinary = await studio.gateway.job(4)
    other = await studio.gateway.job(4)
    urgent = await studio.gateway.job(2, space_id=ordinary.space_id, priority=10)
    worker = await studio.worker()
    given = [task["job_id"] for task in await worker.claim(10)]
    assert set(given[:4]) == {str(urgent.id), str(other.id)}
    assert given[:4].count(str(urgent.id)) == 2
    mine = [job for job in given if job != str(other.id)]
    assert mine == [str(urgent.id)] * 2 + [str(ordinary.id)] * 4


async def test_a_priority_counts_across_the_kinds_of_work_of_one_space(studio: Studio) -> None:
    first = await studio.gateway.job(3, runner="image")
    urgent = await studio.gateway.job(3, space_id=first.space_id, runner="diffusers", priority=5)
    worker = await studio.worker(capabilities=H200)
    given = [task["job_id"] for _ in range(3) for task in await worker.claim(1)]
    assert given == [str(urgent.id)] * 3


async def test_kinds_of_work_take_turns(studio: Studio) -> None:
    jobs = {str((await studio.gateway.job(6, runner=runner)).id): runner for runner in ("image", "diffusers", "other")}
    worker = await studio.worker()
    given = [jobs[task["job_id"]] for _ in range(6) for task in await worker.claim(1)]
    assert sorted(given) == ["diffusers"] * 2 + ["image"] * 2 + ["other"] * 2


@pytest.mark.parametrize(
    ("runner", "requires", "able"),
    [
        ("image", {}, ["big", "small", "plain"]),
        ("diffusers", {"gpu": "h200"}, ["big"]),
        ("diffusers", {"min_gpu_memory_gib": 40}, ["big"]),
        ("diffusers", {"min_gpu_memory_gib": 10}, ["big", "small"]),
        ("diffusers", {"model": "some/model"}, ["big", "plain"]),
        ("command", {}, ["plain"]),
    ],
)
async def test_a_task_goes_to_a_machine_that_can_do_it(
    studio: Studio, runner: str, requires: dict[str, Any], able: list[str]
) -> None:
    machines = {
        "big": await studio.worker("big", H200),
        "small": await studio.worker("small", SMALL),
        "plain": await studio.worker("plain"),
    }
    await studio.gateway.job(3, runner=runner, requires=requires)
    assert [name for name, machine in machines.items() if await machine.claim()] == able


async def test_capabilities_told_with_a_claim_replace_those_of_before(studio: Studio) -> None:
    await studio.gateway.job(1, runner="diffusers", requires={"gpu": "H200"})
    worker = await studio.worker(capabilities=SMALL)
    assert await worker.claim() == []
    worker.capabilities = H200
    assert len(await worker.claim()) == 1


async def test_who_waits_is_called_when_a_task_comes(studio: Studio) -> None:
    worker = await studio.worker(capabilities=H200)
    waiting = asyncio.create_task(worker.claim(5, wait_s=30))
    await _waits(studio, worker.name)
    job = await studio.gateway.job(2)
    async with asyncio.timeout(10):
        assert {task["job_id"] for task in await waiting} == {str(job.id)}


async def test_who_waits_for_another_kind_of_task_goes_on_waiting(studio: Studio) -> None:
    small, big = await studio.worker("small", SMALL), await studio.worker("big", H200)
    waiting = [asyncio.create_task(machine.claim(5, wait_s=2)) for machine in (small, big)]
    await _waits(studio, "small")
    await _waits(studio, "big")
    await studio.gateway.job(1, runner="diffusers", requires={"gpu": "H200"})
    nothing, something = await asyncio.gather(*waiting)
    assert (nothing, len(something)) == ([], 1)


async def test_who_waits_gets_what_a_silent_worker_held_and_what_is_handed_back(studio: Studio) -> None:
    await studio.gateway.job(2)
    holder, worker = await studio.worker("holder"), await studio.worker("waiting")
    lost, returned = await holder.claim(2)
    waiting = asyncio.create_task(worker.claim(1, wait_s=30))
    await _waits(studio, "waiting")
    await studio.gateway.silence([lost["task_id"]])
    async with asyncio.timeout(15):
        assert [task["task_id"] for task in await waiting] == [lost["task_id"]]
        waiting = asyncio.create_task(worker.claim(1, wait_s=30))
        await holder.call("release", {"tasks": [{"task_id": returned["task_id"], "attempt": 1}]})
        assert [task["task_id"] for task in await waiting] == [returned["task_id"]]


async def test_many_who_wait_are_each_given_one(studio: Studio) -> None:
    workers = [await studio.worker(f"worker-{number}") for number in range(6)]
    waiting = [asyncio.create_task(worker.claim(1, wait_s=20)) for worker in workers]
    for worker in workers:
        await _waits(studio, worker.name)
    job = await studio.gateway.job(6)
    async with asyncio.timeout(15):
        given = [task["task_id"] for tasks in await asyncio.gather(*waiting) for task in tasks]
    assert sorted(given) == sorted(map(str, job.tasks))


async def test_waiting_ends_with_nothing_when_nothing_comes(studio: Studio) -> None:
    worker = await studio.worker()
    answer = await worker.call("next-task", {"worker_id": worker.name, "wait_s": 0.05})
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_worker_that_hung_up_while_it_waited_is_given_nothing(studio: Studio) -> None:
    worker = await studio.worker("gone")
    async with served(studio.app) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
        worker.http = http
        waiting = asyncio.create_task(worker.claim(1, wait_s=30))
        await _waits(studio, "gone")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        # An answer to a later request: by then the server has seen that the earlier one's connection is gone.
        await http.get("/health")
        job = await studio.gateway.job(1)
        patient = await studio.worker("patient")
        [task] = await eventually(patient.claim)
        assert (task["task_id"], task["attempt"]) == (str(job.tasks[0]), 1)


async def _waits(studio: Studio, name: str) -> None:
    """The worker is known, so its first look is behind it or under way; whoever comes later is seen by the next look."""

    async def known() -> bool:
        return bool(await studio.gateway.owner.fetchval("SELECT true FROM maru.workers WHERE worker_id = $1", name))

    await eventually(known)
