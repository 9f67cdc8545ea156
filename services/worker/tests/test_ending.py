"""How an agent ends: asked to, drained, refused, or with nothing to do."""

from __future__ import annotations

from pathlib import Path

from agent_process import Starter, picture
from dispatcher_peer import DispatcherPeer
from shared.testing.waiting import eventually_sync

HOLD = {"command": "hold"}


def test_sigterm_lets_what_is_nearly_done_end_and_hands_back_the_rest(peer: DispatcherPeer, start: Starter) -> None:
    running = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    waiting = peer.add({"operation": "grayscale"}, data=picture())
    agent = start("--grace", "60")
    eventually_sync(lambda: running.history and waiting.history and running.progress, within=30)
    agent.terminate()
    eventually_sync(lambda: waiting.releases, within=30)
    start.programs.open_gate()
    assert agent.wait() == 0
    assert running.status == "done"
    assert (waiting.status, waiting.releases) == ("queued", 1)
    assert peer.drained == {"peer-worker"}


def test_after_the_grace_time_the_run_is_stopped_and_handed_back(peer: DispatcherPeer, start: Starter) -> None:
    running = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    agent = start("--grace", "0")
    eventually_sync(lambda: running.progress, within=30)
    agent.terminate()
    assert agent.wait() == 0
    assert (running.status, running.releases, running.failures) == ("queued", 1, 0)


def test_a_second_signal_hands_back_at_once(peer: DispatcherPeer, start: Starter) -> None:
    running = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    agent = start("--grace", "600")
    eventually_sync(lambda: running.progress, within=30)
    agent.terminate()
    eventually_sync(lambda: "drain" in peer.calls, within=30)
    agent.terminate()
    assert agent.wait() == 0
    assert (running.status, running.releases) == ("queued", 1)


def test_an_idle_agent_ends_without_waiting_for_its_poll(peer: DispatcherPeer, start: Starter) -> None:
    agent = start()
    eventually_sync(lambda: "next-task" in peer.calls, within=30)
    agent.terminate()
    assert agent.wait(10) == 0
    assert peer.drained == {"peer-worker"}


def test_tasks_that_a_poll_was_given_in_the_last_moment_are_handed_back(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture())
    peer.fault("next-task", "drop", times=1)
    agent = start()
    eventually_sync(lambda: task.status == "processing", within=30)
    agent.terminate()
    assert agent.wait() == 0
    assert task.status == "done" or (task.status, task.releases) == ("queued", 1)


def test_a_result_that_cannot_be_handed_in_is_kept_for_the_next_start(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"operation": "grayscale"}, data=picture())
    peer.fault("report", "503", times=10**6)
    agent = start("--grace", "0")
    eventually_sync(lambda: "storage/put" in peer.calls, within=30)
    peer.away = True
    agent.terminate()
    assert agent.wait() == 0
    peer.away = False
    peer.faults.clear()
    assert start("--grace", "0").process.poll() is None
    eventually_sync(lambda: task.status == "done", within=30)
    assert task.attempt == 1


def test_drained_by_the_dispatcher_it_finishes_what_it_has_and_ends(peer: DispatcherPeer, start: Starter) -> None:
    running = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    agent = start()
    eventually_sync(lambda: running.progress, within=30)
    peer.drain = True
    eventually_sync(lambda: "asks this worker to drain" in agent.output, within=30)
    start.programs.open_gate()
    assert agent.wait() == 0
    assert (running.status, running.releases) == ("done", 0)


def test_a_refused_token_ends_it_with_a_code_of_its_own(peer: DispatcherPeer, start: Starter) -> None:
    agent = start(token="wk_abcdefghijkl_something-else-entirely")
    assert agent.wait() == 77
    assert "maru worker token create" in agent.output
    assert "something-else" not in agent.output


def test_a_token_that_is_revoked_while_it_works_ends_it(peer: DispatcherPeer, start: Starter) -> None:
    running = peer.add(HOLD, runner="command", data=b"text", name="note.txt")
    agent = start()
    eventually_sync(lambda: running.progress, within=30)
    peer.token = "wk_abcdefghijkl_another-secret-by-now"
    assert agent.wait() == 77


def test_a_redirect_is_not_followed_and_the_token_stays_here(peer: DispatcherPeer, start: Starter) -> None:
    peer.fault("register", "redirect", times=99)
    agent = start()
    assert agent.wait() == 78
    assert "redirects" in agent.output
    assert peer.elsewhere == []


def test_a_redirect_of_a_later_call_is_not_followed_either(peer: DispatcherPeer, start: Starter) -> None:
    peer.fault("next-task", "redirect", times=1)
    task = peer.add({"operation": "grayscale"}, data=picture())
    assert start("--once").wait() == 0
    assert task.status == "done"


def test_two_agents_do_not_share_a_folder(peer: DispatcherPeer, start: Starter) -> None:
    start()
    eventually_sync(lambda: peer.registrations, within=30)
    second = start()
    assert second.wait() == 75
    assert "--work-dir" in second.output


def test_the_token_is_on_no_command_line_and_in_no_environment_that_others_see(
    peer: DispatcherPeer, start: Starter, tmp_path: Path
) -> None:
    arguments = ["--url", peer.url, "--name", "w", "--work-dir", str(tmp_path / "w")]
    agent = start.bare(*arguments, "--token", peer.token)
    eventually_sync(lambda: peer.registrations, within=30)
    proc = Path(f"/proc/{agent.process.pid}")
    assert peer.token.encode() not in (proc / "cmdline").read_bytes()
    agent.terminate()
    assert agent.wait() == 0
    by_environment = start.bare(*arguments, "--once", env={"MARU_WORKER_TOKEN": peer.token})
    task = peer.add({"operation": "grayscale"}, data=picture())
    assert by_environment.wait() == 0
    assert task.status == "done"
