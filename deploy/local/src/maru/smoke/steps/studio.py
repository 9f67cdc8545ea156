"""Having a machine work, or being one."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from maru.smoke.events import follow
from maru.smoke.http import Broken, Service, Skipped
from maru.smoke.walk import Walk

_RUNNER = "image"
_WAIT_S = 10


async def job_done(walk: Walk) -> str:
    """A photo goes to a worker that is there; where none is, the walk itself is one, if it has a token."""
    summary = await walk.api.ask("GET", "/api/v1/workers/summary", status=200)
    online = summary["any_runner"] + sum(one["online"] for one in summary["by_runner"] if one["runner"] == _RUNNER)
    if online:
        await _make(walk, _RUNNER, {"operation": "upscale", "scale": 2})
        await _ended(walk)
        return f"by one of {online} workers"
    if walk.inference is None or not walk.options.worker_token:
        raise Skipped("no worker online; with --inference-url and --worker-token this walk is one")
    # A runner of its own name: nobody else's task can come to it, and its task to nobody else.
    await _make(walk, walk.word, {})
    await _work(walk, walk.inference)
    await _ended(walk)
    return "by this walk, as a worker"


async def results_fetched(walk: Walk) -> str:
    """The result alone, and all of them in one archive."""
    tasks = (await walk.api.ask("GET", f"/api/v1/jobs/{walk.job}/tasks", status=200))["tasks"]
    output, _ = await walk.api.bytes_of(f"/api/v1/tasks/{tasks[0]['id']}/output")
    if not output or (walk.output is not None and output != walk.output):
        raise Broken(f"A result of {len(walk.output or b'')} bytes came back as {len(output)} others")
    answer = await walk.api.answer("GET", f"/api/v1/jobs/{walk.job}/results.zip")
    if answer.status_code != 200:
        raise Broken(f"GET /api/v1/jobs/…/results.zip answered {answer.status_code}")
    try:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            held = [archive.read(name) for name in archive.namelist()]
    except zipfile.BadZipFile:
        raise Broken("The archive of a job's results is no archive") from None
    if output not in held:
        raise Broken("The archive of a job's results does not hold the result")
    return f"{len(output)} bytes, archive of {len(answer.content)}"


async def _make(walk: Walk, runner: str, params: dict[str, Any]) -> None:
    wish = {"name": walk.word, "kind": "inference", "runner": runner, "params": params}
    job = await walk.api.ask("POST", "/api/v1/jobs", json=wish, status=201)
    walk.job = str(job["id"])
    walk.made.append(f"/api/v1/jobs/{walk.job}")
    made = await walk.api.ask(
        "POST", f"/api/v1/jobs/{walk.job}/enqueue", json={"input_paths": [walk.uploads["photo"][0]]}
    )
    if made["created"] != 1:
        raise Broken(f"One input made {made['created']} tasks")


async def _ended(walk: Walk) -> None:
    events = await follow(walk.api, f"/api/v1/jobs/{walk.job}/events")
    if events[-1].name != "done":
        tasks = (await walk.api.ask("GET", f"/api/v1/jobs/{walk.job}/tasks", status=200))["tasks"]
        raise Broken(f"The job ended as {events[-1].name}: {[task.get('error') for task in tasks]}")


async def _work(walk: Walk, inference: Service) -> None:
    """One task from the claim to the report, as the agent of a machine does it."""
    me = {"worker_id": walk.word}
    await inference.ask("POST", "/api/v1/worker/register", json=me | {"capabilities": {"runners": [walk.word]}})
    try:
        claimed = await inference.ask("POST", "/api/v1/worker/next-task", json=me | {"max_tasks": 1, "wait_s": _WAIT_S})
        if not claimed or not claimed["tasks"]:
            raise Broken("A task was queued and the dispatcher gave none to the worker that can do it")
        held = {name: claimed["tasks"][0][name] for name in ("task_id", "attempt")}
        source = await inference.ask("POST", "/api/v1/worker/presign", json=held | {"type": "download_input"})
        photo, _ = await inference.fetch(source["url"], source["headers"])
        if photo != walk.uploads["photo"][1]:
            raise Broken("A worker was given another input than the photo")
        wish = {"type": "upload_output", "content_type": "image/png", "filename": "out.png", "size": len(photo)}
        target = await inference.ask("POST", "/api/v1/worker/presign", json=held | wish)
        await inference.put(target, photo)
        report = held | {"status": "done", "output_path": target["output_path"]}
        for _ in range(2):
            told = await inference.ask("POST", "/api/v1/worker/report", json=report, status=200)
            if told["status"] != "done":
                raise Broken(f"A finished task was reported and is {told['status']}")
        walk.output = photo
    finally:
        await inference.ask("POST", "/api/v1/worker/drain", json=me)
