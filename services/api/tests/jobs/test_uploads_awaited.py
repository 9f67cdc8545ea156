"""A file that tasks are still to read is not deleted under their hands."""

from __future__ import annotations

from .conftest import Client, Machines


async def _delete(client: Client, upload: str) -> tuple[int, str | None]:
    answer = await client.http.delete(f"/api/v1/uploads/{upload}")
    return answer.status_code, answer.json()["code"] if answer.content else None


async def test_a_file_stays_until_the_tasks_that_read_it_have_ended(client: Client, machines: Machines) -> None:
    upload, other = await client.upload("cat.png"), await client.upload("dog.png")
    job_id = await client.job(runner="image")
    await client.enqueue(job_id, input_paths=[upload])
    assert await _delete(client, upload) == (409, "upload_awaited")
    assert await _delete(client, other) == (204, None)
    [task] = await machines.claim(job_id)
    assert await _delete(client, upload) == (409, "upload_awaited")
    await machines.finish(task)
    assert await _delete(client, upload) == (204, None)
    assert (await client.http.get(f"/api/v1/jobs/{job_id}")).status_code == 200


async def test_a_file_of_a_job_that_was_cancelled_can_go(client: Client) -> None:
    upload, job_id = await client.upload("cat.png"), await client.job(runner="image")
    await client.enqueue(job_id, input_paths=[upload])
    assert (await client.http.post(f"/api/v1/jobs/{job_id}/pause")).status_code == 200
    assert await _delete(client, upload) == (409, "upload_awaited")
    assert (await client.http.post(f"/api/v1/jobs/{job_id}/cancel")).status_code == 200
    assert await _delete(client, upload) == (204, None)
