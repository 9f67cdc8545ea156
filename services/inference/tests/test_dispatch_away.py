"""While a dependency is away calls are refused and nothing is lost; the same call again works once it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.ids import new_id
from shared.testing.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Opening, Studio


async def test_without_a_database_every_call_says_when_to_come_again(open_studio: Opening, tmp_path: Path) -> None:
    studio: Studio = await open_studio(DATABASE_URL=f"postgresql:///maru?host={tmp_path}")
    worker = await studio.worker()
    for path, body in (
        ("register", {"worker_id": worker.name}),
        ("next-task", {"worker_id": worker.name, "wait_s": 5}),
        ("heartbeat", {"tasks": [{"task_id": str(new_id()), "attempt": 1}]}),
        ("report", {"task_id": str(new_id()), "attempt": 1, "status": "done"}),
    ):
        answer = await worker.call(path, body)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0


async def test_work_goes_on_after_the_database_hung_up_on_everybody(studio: Studio) -> None:
    await studio.gateway.job(2)
    worker, claim = await studio.worker(), new_id()
    [task] = await worker.claim(1, claim_id=claim)
    await studio.gateway.owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'maru_inference' AND datname = current_database()"
    )

    async def again() -> bool:
        body = {"worker_id": worker.name, "claim_id": str(claim)}
        answer = await worker.call("next-task", body)
        assert answer.status_code in {200, 503}
        return answer.status_code == 200 and answer.json()["tasks"][0]["task_id"] == task["task_id"]

    await eventually(again)
    assert (await worker.report(task)).json()["status"] == "done"
