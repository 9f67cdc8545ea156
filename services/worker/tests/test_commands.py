"""Programs that the operator has named: what people may give them, what they get to see, and how they end."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_process import Starter
from dispatcher_peer import DispatcherPeer, PeerTask
from shared.testing.waiting import eventually_sync
from worker.exits import CannotWork
from worker.runners.catalog import read


def run(peer: DispatcherPeer, start: Starter, command: str, **params: object) -> PeerTask:
    """One task of a command, done."""
    task = peer.add({"command": command, **params}, runner="command", data=b"some text", name="note.txt")
    assert start("--once").wait() == 0
    return task


def failure(task: PeerTask) -> str:
    """The code of its error."""
    assert task.error is not None, task
    return str(task.error["code"])


def test_a_program_makes_the_output(peer: DispatcherPeer, start: Starter) -> None:
    task = run(peer, start, "copy")
    assert (task.output, task.uploaded_type, task.filename) == (b"some text", "text/plain", "note.txt")
    [offer] = [one for one in peer.registrations[0].capabilities.runners if one.name == "command"]
    assert "copy" in offer.models


def test_arguments_are_filled_in_once_and_never_seen_by_a_shell(peer: DispatcherPeer, start: Starter) -> None:
    arguments = {"text": "$(id) {count}; `ls`", "count": 4, "ratio": 1, "flag": True, "choice": "-b"}
    task = run(peer, start, "say", arguments=arguments)
    assert task.output == repr(["$(id) {count}; `ls`", "x4", "1", "true", "-b"]).encode()


@pytest.mark.parametrize(
    "arguments",
    [
        {"text": "--output=/etc/passwd"},
        {"text": "@/etc/passwd"},
        {"text": "x" * 41},
        {"text": "a\0b"},
        {"text": 3},
        {"count": "3"},
        {"count": True},
        {"count": 10},
        {"count": 2.5},
        {"ratio": "much"},
        {"flag": 1},
        {"choice": "-c"},
        {"other": 1},
    ],
)
def test_an_argument_that_does_not_fit_is_refused_before_anything_runs(
    arguments: dict[str, object], tmp_path: Path
) -> None:
    import programs
    from worker.runners.command import CommandRunner
    from worker.runners.protocol import RunFailed, RunRequest

    runner = CommandRunner(read(programs.write(tmp_path).catalog))
    request = RunRequest({"command": "say", "arguments": arguments}, Path("/dev/null"), "x", tmp_path / "output", 100)
    with pytest.raises(RunFailed) as failed:
        runner.run(request, lambda _: None)
    assert (failed.value.code, failed.value.retryable) == ("invalid_params", False)


def test_a_program_sees_no_token_and_nothing_of_ours(peer: DispatcherPeer, start: Starter) -> None:
    task = peer.add({"command": "environment"}, runner="command", data=b"x", name="x")
    agent = start("--once", env={"MARU_WORKER_TOKEN": peer.token, "SECRET_OF_THE_HOST": "hidden"})
    assert agent.wait() == 0
    seen = (task.output or b"").decode()
    assert "PATH" in seen
    assert "MARU_" not in seen
    assert "hidden" not in seen
    assert str(start.work_dir) in seen


def test_a_program_that_fails_is_reported_with_its_last_lines(peer: DispatcherPeer, start: Starter) -> None:
    task = run(peer, start, "fail")
    assert failure(task) == "command_failed"
    assert task.error is not None
    assert task.error["lines"][-2:] == ["line 499", "the last words"]
    assert len(task.error["lines"]) <= 100


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("crash", "command_crashed"),
        ("killed", "command_killed"),
        ("nothing", "no_output"),
        ("endless", "output_too_large"),
        ("memory", "command_failed"),
        ("quick", "timeout"),
        ("unheard-of", "unknown_command"),
    ],
)
def test_however_a_program_ends_the_task_fails_with_a_cause(
    peer: DispatcherPeer, start: Starter, command: str, code: str
) -> None:
    assert failure(run(peer, start, command)) == code


def test_a_runner_that_is_killed_takes_neither_the_agent_nor_the_next_task_along(
    peer: DispatcherPeer, start: Starter
) -> None:
    first = peer.add({"command": "kill-runner"}, runner="command", data=b"x", name="x")
    second = peer.add({"command": "copy"}, runner="command", data=b"y", name="y")
    assert start("--max-tasks", "2").wait() == 0
    assert failure(first) == "runner_crashed"
    assert first.error is not None
    assert first.error["lines"] == ["taking the runner along"]
    assert (first.retryable, second.output) == (True, b"y")


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_everything_that_a_program_started_ends_with_it(peer: DispatcherPeer, start: Starter, how: str) -> None:
    task = peer.add({"command": "children"}, runner="command", data=b"x", name="x")
    agent = start()
    pids = eventually_sync(lambda: start.programs.pids.exists() and start.programs.pids.read_text().split(), within=30)
    if how == "cancelled":
        peer.cancel(task)
    else:
        agent.kill()
    eventually_sync(lambda: not any(alive(int(pid)) for pid in pids), within=30)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "commands"),
        ("no toml", "commands.toml"),
        ('[commands.x]\nargv = ["convert"]\noutput_type = "image/png"', "absolute path"),
        ('[commands.x]\nargv = ["/bin/{input}"]\noutput_type = "image/png"', "absolute path"),
        ('[commands.x]\nargv = ["/bin/true", "{size}"]\noutput_type = "image/png"', "size"),
        ('[commands.x]\nargv = ["/bin/true"]\noutput_type = "image/png"\nshell = true', "shell"),
        ('[commands."../x"]\nargv = ["/bin/true"]\noutput_type = "image/png"', "commands"),
        (
            '[commands.x]\nargv = ["/bin/true"]\noutput_type = "a/b"\n[commands.x.arguments.n]\ntype = "integer"\ndefault = "x"',
            "default",
        ),
    ],
)
def test_a_file_of_commands_that_cannot_work_is_refused_at_the_start(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "commands.toml").write_text(text)
    with pytest.raises(CannotWork, match=said):
        read(tmp_path / "commands.toml")


def test_nothing_of_a_task_stays_on_the_disk(peer: DispatcherPeer, start: Starter) -> None:
    run(peer, start, "fail")
    assert list((start.work_dir / "tasks").iterdir()) == []
