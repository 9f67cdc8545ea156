"""Tasks from claim to accepted report, with the real agent against a strict dispatcher."""

from __future__ import annotations

import io

from agent_process import Starter, picture
from dispatcher_peer import DispatcherPeer
from PIL import Image
from shared.testing.waiting import eventually_sync


def test_a_task_is_claimed_run_uploaded_and_reported(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "upscale", "scale": 3}, data=picture(10, 8))
    agent = start("--once")
    assert agent.wait() == 0, agent.output
    assert task.status == "done"
    assert task.output is not None
    assert Image.open(io.BytesIO(task.output)).size == (30, 24)
    assert (task.uploaded_type, task.filename) == ("image/png", "photo.png")
    assert task.metrics["run_s"] >= 0
    assert list((start.work_dir / "tasks").iterdir()) == []


def test_it_says_what_it_has_and_works_until_told_to_end(peer: DispatcherPeer, start: Starter) -> None:
    agent = start("--runners", "image")
    tasks = [peer.add({"operation": "grayscale"}, data=picture()) for _ in range(3)]
    eventually_sync(lambda: all(task.status == "done" for task in tasks), within=30)
    agent.terminate()
    assert agent.wait() == 0
    [registration] = peer.registrations
    assert [offer.name for offer in registration.capabilities.runners] == ["image"]
    assert registration.worker_id == "peer-worker"
    assert peer.drained == {"peer-worker"}
    assert all(task.attempt == 1 for task in tasks)


def test_many_short_tasks_are_all_done_once(peer: DispatcherPeer, start: Starter) -> None:
    tasks = [peer.add({"operation": "grayscale"}, data=picture()) for _ in range(40)]
    assert start("--max-tasks", "40").wait(120) == 0
    assert [(task.status, task.attempt) for task in tasks] == [("done", 1)] * 40
