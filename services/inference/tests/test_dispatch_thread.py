"""One task from its job to its end, through every call of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.testing.waiting import eventually

if TYPE_CHECKING:
    from conftest import Studio

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def test_a_task_goes_from_its_job_to_its_end(studio: Studio) -> None:
    await studio.storage.put("spaces/in/original", PNG, "image/png")
    job = await studio.gateway.job(params={"operation": "grayscale"}, input_key="spaces/in/original")
    worker = await studio.worker()
    registered = await worker.call(
        "register", {"worker_id": worker.name, "capabilities": {"runners": ["image"]}, "version": "1"}
    )
    assert registered.json() == {"worker_id": "worker-1", "lease_s": 60, "heartbeat_s": 20, "draining": False}

    [task] = await worker.claim()
    assert task["task_id"] == str(job.tasks[0])
    assert (task["attempt"], task["runner"], task["params"]) == (1, "image", {"operation": "grayscale"})
    held = {"task_id": task["task_id"], "attempt": 1}

    download = (await worker.call("presign", {**held, "type": "download_input"})).json()
    assert download["method"] == "GET"
    upload = await worker.call(
        "presign",
        {**held, "type": "upload_output", "content_type": "image/png", "size": len(PNG), "filename": "out.png"},
    )
    signed = upload.json()
    assert signed["output_path"] == f"spaces/{job.space_id}/jobs/{job.id}/{task['task_id']}/1/output"
    await studio.upload(signed, PNG)

    assert (await worker.heartbeat(task, progress=0.5))["extended"] == [task["task_id"]]
    answer = await worker.report(task, output_path=signed["output_path"], metrics={"run_s": 0.01})
    assert answer.json() == {"task_id": task["task_id"], "status": "done"}
    assert (await worker.report(task, output_path=signed["output_path"])).json() == answer.json()

    async def ended() -> bool:
        return bool((await studio.gateway.stored_job(job))["status"] == "done")

    await eventually(ended)
    stored = await studio.gateway.task(task["task_id"])
    assert (stored["output_key"], stored["output_name"], stored["output_size"]) == (
        signed["output_path"],
        "out.png",
        len(PNG),
    )
    events = await studio.events(job)
    assert events[-1][0] == "done"
    assert events[-1][1]["counts"] == {"queued": 0, "processing": 0, "done": 1, "failed": 0, "cancelled": 0}
    assert [fact["status"] for fact in await studio.outbox("task.finished")] == ["done"]
    assert [fact["status"] for fact in await studio.outbox("job.finished")] == ["done"]
