"""What goes wrong around an agent: answers that are lost, a dispatcher that goes away, connections that break, a process that is killed."""

from __future__ import annotations

import pytest
from agent_process import Starter, picture
from dispatcher_peer import DispatcherPeer
from shared.testing.waiting import eventually_sync

LARGE = picture(900, 900, "BMP")
HOLD = {"command": "hold"}


@pytest.mark.parametrize("call", ["register", "next-task", "presign", "storage/get", "storage/put", "report"])
def test_a_lost_answer_is_asked_for_again_and_nothing_happens_twice(
    peer: DispatcherPeer, start: Starter, call: str
) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture())
    fault = peer.fault(call, "cut" if call == "storage/get" else "drop")
    assert start("--once").wait() == 0
    assert fault.times == 0
    assert (task.status, task.attempt, task.failures) == ("done", 1, 0)


def test_a_claim_keeps_its_name_until_it_is_answered(peer: DispatcherPeer, start: Starter) -> None:
    tasks = [peer.add({"operation": "grayscale"}, data=picture()) for _ in range(2)]
    peer.fault("next-task", "drop", times=2)
    assert start("--max-tasks", "2").wait() == 0
    assert [task.attempt for task in tasks] == [1, 1]
    assert peer.claims[0].claim_id == peer.claims[1].claim_id == peer.claims[2].claim_id
    assert peer.claims[3].claim_id != peer.claims[0].claim_id


@pytest.mark.parametrize("kind", ["503", "429", "page", "refuse"])
def test_later_means_later(peer: DispatcherPeer, start: Starter, kind: str) -> None:
    for call in ("register", "next-task", "presign", "report"):
        peer.fault(call, kind, times=2)
    task = peer.add({"operation": "grayscale"}, data=picture())
    assert start("--once").wait() == 0
    assert (task.status, task.attempt) == ("done", 1)


def test_a_dispatcher_that_is_away_costs_no_result(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    agent = start("--once")
    eventually_sync(lambda: task.progress, within=30)
    peer.away = True
    start.programs.open_gate()
    eventually_sync(lambda: agent.output.count("presign: ") + agent.output.count("heartbeat: ") > 3, within=30)
    assert agent.process.poll() is None
    peer.away = False
    assert agent.wait() == 0
    assert (task.status, task.attempt, task.output) == ("done", 1, b"text")


def test_a_download_goes_on_where_it_was_cut(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "grayscale"}, data=LARGE, name="scan.bmp")
    peer.fault("storage/get", "cut", times=3)
    assert start("--once").wait() == 0
    assert task.status == "done"
    resumed = [int(call.rpartition(" ")[2]) for call in peer.calls if call.startswith("storage/get from")]
    assert resumed
    assert resumed == sorted(set(resumed))


def test_an_upload_that_is_cut_is_sent_again_with_a_new_address(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "upscale", "scale": 4}, data=picture(700, 700, color="red"))
    peer.fault("storage/put", "cut", times=2)
    peer.fault("storage/put", "403", times=1, code="expired")
    assert start("--once").wait() == 0
    assert task.status == "done"
    assert len([grant for grant in peer.grants.values() if grant.method == "PUT"]) >= 4


@pytest.mark.parametrize(("times", "ends"), [(1, "done"), (3, "failed")])
def test_an_object_that_is_not_as_announced_is_sent_again_and_then_reported(
    peer: DispatcherPeer, start: Starter, times: int, ends: str
) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture())
    peer.fault("report", "422", times=times, code="output_mismatch")
    assert start("--once").wait() == 0
    assert task.status == ends
    assert task.error is None or task.error["code"] == "output_refused"
    assert peer.calls.count("storage/put") == min(times + 1, 3)


def test_a_missing_input_is_reported_and_not_tried_again(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add(data=picture())
    peer.fault("storage/get", "404", times=99)
    assert start("--once").wait() == 0
    assert task.error is not None
    assert (task.error["code"], task.retryable) == ("input_missing", False)


def test_an_input_that_is_larger_than_announced_is_not_taken_in(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add(data=LARGE, announced_size=1000)
    assert start("--once").wait() == 0
    assert task.error is not None
    assert task.error["code"] == "input_too_large"


def test_an_input_over_the_operators_limit_is_not_fetched(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add(data=LARGE)
    assert start("--once", "--max-input-gib", "0.00001").wait() == 0
    assert task.error is not None
    assert (task.error["code"], task.retryable) == ("input_too_large", False)
    assert not any(call.startswith("storage") for call in peer.calls)


def test_cancelled_work_ends_at_once_and_the_next_begins(
    peer: DispatcherPeer, start: Starter, tmp_path: object
) -> None:
    long = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    start()
    eventually_sync(lambda: long.history, within=30)
    peer.cancel(long)
    after = peer.add({"operation": "grayscale"}, data=picture())
    eventually_sync(lambda: after.status == "done", within=30)
    assert (long.status, long.output) == ("cancelled", None)


def test_a_lost_lease_is_dropped_without_a_word(peer: DispatcherPeer, start: Starter) -> None:
    lost = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    start()
    eventually_sync(lambda: lost.history, within=30)
    peer.expire(lost)
    after = peer.add({"operation": "grayscale"}, data=picture())
    eventually_sync(lambda: after.status == "done", within=30)
    assert (lost.attempt, lost.worker, lost.error) == (2, "another", None)


def test_a_result_is_reported_even_when_the_lease_ran_out_meanwhile(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture())
    peer.fault("report", "503", times=4)
    agent = start("--once", "--prefetch", "0")
    eventually_sync(lambda: "storage/put" in peer.calls, within=30)
    peer.expire(task, claimed_by_another=False)
    assert agent.wait() == 0
    assert (task.status, task.attempt) == ("done", 1)


def test_killed_while_it_delivers_it_delivers_after_a_restart(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture())
    outage = peer.fault("report", "503", times=10**6)
    first = start()
    eventually_sync(lambda: "storage/put" in peer.calls, within=30)
    first.kill()
    outage.times = 0
    start()
    eventually_sync(lambda: task.status == "done", within=30)
    assert (task.attempt, task.lease_losses) == (1, 0)


def test_a_result_that_vanished_from_the_disk_is_reported_after_a_restart(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture())
    outage = peer.fault("report", "503", times=10**6)
    first = start()
    eventually_sync(lambda: "storage/put" in peer.calls, within=30)
    first.kill()
    next(start.work_dir.glob("tasks/*/output")).unlink()
    outage.times = 0
    start()
    eventually_sync(lambda: task.error is not None, within=30)
    assert task.error is not None
    assert (task.error["code"], task.retryable) == ("output_missing", True)


def test_a_folder_that_makes_no_sense_is_cleared_away(peer: DispatcherPeer, start: Starter) -> None:
    rubbish = start.work_dir / "tasks" / "rubbish"
    rubbish.mkdir(parents=True)
    (rubbish / "task.json").write_text("{")
    (start.work_dir / "claim.json").write_text("[]")
    task = peer.add({"operation": "grayscale"}, data=picture())
    assert start("--once").wait() == 0
    assert (task.status, rubbish.exists()) == ("done", False)


def test_a_task_claimed_again_replaces_the_attempt_before(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add(HOLD, runner="command", data=b"text", name="note.txt", max_failures=9)
    start()
    eventually_sync(lambda: task.progress, within=30)
    peer.expire(task, claimed_by_another=False)
    eventually_sync(lambda: task.attempt == 2 and task.status == "processing", within=30)
    start.programs.open_gate()
    eventually_sync(lambda: task.status == "done", within=30)
    assert task.accepted == (2, "done")


def test_killed_with_a_task_that_waits_it_hands_that_back_and_leaves_the_one_that_ran_to_its_lease(
    peer: DispatcherPeer, start: Starter
) -> None:
    peer.lease_s = 3
    ran = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    first = start()
    eventually_sync(lambda: ran.progress, within=30)
    waits = peer.add({"operation": "grayscale"}, data=picture())
    # It fetches an input only once it has noted that the task is its own.
    eventually_sync(lambda: any(grant.task is waits for grant in list(peer.grants.values())), within=30)
    first.kill()
    start.programs.open_gate()
    start()
    eventually_sync(lambda: waits.status == ran.status == "done", within=60)
    assert (waits.releases, waits.lease_losses) == (1, 0)
    assert (ran.releases, ran.lease_losses) == (0, 1)


def test_killed_before_its_claim_was_answered_it_gets_the_same_tasks_after_a_restart(
    peer: DispatcherPeer, start: Starter
) -> None:
    outage = peer.fault("next-task", "drop", times=10**6)
    task = peer.add({"operation": "grayscale"}, data=picture())
    first = start()
    eventually_sync(lambda: task.status == "processing", within=30)
    first.kill()
    outage.times = 0
    assert start("--once").wait() == 0
    assert (task.status, task.attempt, task.lease_losses) == ("done", 1, 0)
