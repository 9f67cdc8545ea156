"""The walls of the sandbox, tried from inside by jobs that misbehave."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from ingest.parse.errors import FileBroken, FileRefused, ParseOutOfMemory, ParseTimedOut, SandboxAway
from ingest.sandbox import Sandbox
from ingest.sandbox_limits import SandboxLimits
from ingest.sandbox_wire import Ending, Output, Request, decode_answer, encode_answer
from shared.testing.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOBS = """
import ctypes, os, socket, subprocess, sys, threading, time
from pathlib import Path
from ingest.sandbox_wire import Output

class Odd:
    facts = {}
    blobs = [b"x" * 1_000_000] * 64

def attempt(work):
    try:
        work()
    except OSError as error:
        return type(error).__name__
    return "done"

def tries(file):
    return Output({
        "fork": attempt(os.fork),
        "spawn": attempt(lambda: subprocess.run(["/bin/true"])),
        "open": attempt(lambda: open("/etc/passwd")),
        "write": attempt(lambda: open("/tmp/escaped", "w")),
        "file": attempt(lambda: os.write(file.fileno(), b"x")),
        "unlink": attempt(lambda: os.unlink("/tmp/nothing")),
        "mkdir": attempt(lambda: os.mkdir("/tmp/escaped-folder")),
        "socket": attempt(socket.socket),
        "kill": attempt(lambda: os.kill(os.getppid(), 9)),
        "chroot": attempt(lambda: os.chroot("/")),
    })

def thread(file):
    seen = []
    worker = threading.Thread(target=lambda: seen.append(1))
    worker.start(); worker.join()
    return Output({"seen": seen})

def eat(file):
    kept = []
    while True:
        kept.append(bytearray(20_000_000))

def eat_small(file):
    kept = []
    while True:
        kept.append([object()] * 1000)

def spin(file):
    while True:
        pass

def sleep(file):
    time.sleep(600)

def recurse(file):
    return recurse(file)

def crash(file):
    ctypes.string_at(0)

def hurl(file):
    raise LookupError("text of a stranger")

JOBS = {
    "echo": lambda file: Output({"size": len(file.read()), "pid": os.getpid(), "parent": os.getppid()}, [b"one", b"", b"two"]),
    "environment": lambda file: Output({"names": sorted(os.environ), "user": os.getuid(), "fds": len(os.listdir("/proc/self/fd")) if False else 0}),
    "tries": tries, "thread": thread, "eat": eat, "eat_small": eat_small, "spin": spin, "sleep": sleep, "recurse": recurse, "crash": crash,
    "hurl": hurl,
    "abort": lambda file: os.abort(),
    "leave": lambda file: os._exit(0),
    "fail": lambda file: os._exit(3),
    "flood": lambda file: Odd(),
    "odd": lambda file: Output("not a dictionary"),
    "kill_self": lambda file: signal_self(),
}

def signal_self():
    import signal
    signal.raise_signal(signal.SIGKILL)
"""
QUICK = SandboxLimits(memory_mib=200, cpu_s=1, wall_s=30, result_mib=16)


@pytest.fixture(scope="module")
def jobs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "hostile_jobs.py").write_text(JOBS)
    (folder / "file").write_bytes(b"twelve bytes")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(jobs_folder: Path) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(workers=4, limits=QUICK, jobs="hostile_jobs", search_path=[jobs_folder])
    yield sandbox
    await sandbox.close()


@pytest.fixture
def file(jobs_folder: Path) -> Path:
    return jobs_folder / "file"


async def test_a_job_answers_with_facts_and_blobs(sandbox: Sandbox, file: Path) -> None:
    output = await sandbox.run("echo", file)
    assert output.facts["size"] == 12
    assert output.blobs == [b"one", b"", b"two"]


async def test_each_file_gets_a_process_of_its_own(sandbox: Sandbox, file: Path) -> None:
    outputs = await asyncio.gather(*(sandbox.run("echo", file) for _ in range(20)))
    assert len({output.facts["pid"] for output in outputs}) == 20
    assert {output.facts["parent"] for output in outputs} == {sandbox.host_pid}


async def test_there_is_no_way_out(sandbox: Sandbox, file: Path) -> None:
    facts = (await sandbox.run("tries", file)).facts
    assert "done" not in facts.values(), facts
    assert facts["kill"] == "PermissionError"
    assert (await sandbox.run("echo", file)).facts["size"] == 12


async def test_decoders_may_use_threads(sandbox: Sandbox, file: Path) -> None:
    assert (await sandbox.run("thread", file)).facts == {"seen": [1]}


async def test_no_secret_is_in_reach(sandbox: Sandbox, file: Path) -> None:
    names = (await sandbox.run("environment", file)).facts["names"]
    assert set(names) <= {"LANG", "LC_CTYPE", "PYTHONHASHSEED", "PYTHONPATH"}


@pytest.mark.parametrize("job", ["eat", "eat_small", "kill_self"])
async def test_memory_runs_out_with_a_code(sandbox: Sandbox, file: Path, job: str) -> None:
    with pytest.raises(ParseOutOfMemory) as refused:
        await sandbox.run(job, file, limits=SandboxLimits(memory_mib=100, cpu_s=20, wall_s=60))
    assert refused.value.code == "parse_out_of_memory"


@pytest.mark.parametrize(("job", "limits"), [("spin", QUICK), ("sleep", SandboxLimits(wall_s=0.5))])
async def test_time_runs_out_with_a_code(sandbox: Sandbox, file: Path, job: str, limits: SandboxLimits) -> None:
    with pytest.raises(ParseTimedOut) as refused:
        await sandbox.run(job, file, limits=limits)
    assert refused.value.code == "parse_timeout"


@pytest.mark.parametrize("job", ["recurse", "crash", "abort", "leave", "fail", "hurl", "odd", "flood", "unknown"])
async def test_whatever_else_happens_the_file_is_to_blame(sandbox: Sandbox, file: Path, job: str) -> None:
    with pytest.raises(FileBroken) as refused:
        await sandbox.run(job, file)
    assert refused.value.code == "file_broken"
    assert "stranger" not in refused.value.detail


async def test_the_host_outlives_its_children(sandbox: Sandbox, file: Path) -> None:
    before = (await sandbox.run("echo", file)).facts["parent"]
    for job in ("crash", "eat", "spin"):
        with pytest.raises(FileRefused):
            await sandbox.run(job, file)
    assert (await sandbox.run("echo", file)).facts["parent"] == before


async def test_a_host_that_was_killed_is_replaced(sandbox: Sandbox, file: Path) -> None:
    before = (await sandbox.run("echo", file)).facts["parent"]
    os.kill(before, signal.SIGKILL)
    assert (await sandbox.run("echo", file)).facts["parent"] != before


async def test_a_child_nobody_waits_for_is_killed(sandbox: Sandbox, file: Path) -> None:
    host = (await sandbox.run("echo", file)).facts["parent"]
    waiting = asyncio.create_task(sandbox.run("sleep", file, limits=SandboxLimits(wall_s=600)))
    await eventually(lambda: children_of(host))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await eventually(lambda: not children_of(host))


async def test_a_missing_file_is_not_the_sandboxes_fault(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await sandbox.run("echo", tmp_path / "nothing")


async def test_nothing_runs_before_the_first_file_nor_after_the_last(jobs_folder: Path, file: Path) -> None:
    sandbox = Sandbox(jobs="hostile_jobs", search_path=[jobs_folder], idle_s=0.2)
    assert sandbox.host_pid is None
    first = (await sandbox.run("echo", file)).facts["parent"]
    await eventually(lambda: sandbox.host_pid is None)
    assert (await sandbox.run("echo", file)).facts["parent"] != first
    await sandbox.close()
    assert sandbox.host_pid is None
    await sandbox.close()


async def test_a_host_that_cannot_start_is_said_to_be_away(file: Path) -> None:
    sandbox = Sandbox(jobs="no_such_module")
    with pytest.raises(SandboxAway):
        await sandbox.run("echo", file)
    await sandbox.close()


SERVICE = """
import asyncio, sys
from pathlib import Path
from ingest.sandbox import Sandbox
from ingest.sandbox_limits import SandboxLimits

async def main():
    sandbox = Sandbox(jobs="hostile_jobs", search_path=[Path(sys.argv[1])])
    output = await sandbox.run("echo", Path(sys.argv[1]) / "file")
    print(output.facts["parent"], flush=True)
    await sandbox.run("sleep", Path(sys.argv[1]) / "file", limits=SandboxLimits(wall_s=600))

asyncio.run(main())
"""


async def test_a_killed_service_leaves_no_process_behind(jobs_folder: Path) -> None:
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(jobs_folder), stdout=subprocess.PIPE
    )
    assert service.stdout is not None
    host = int(await service.stdout.readline())
    children = await eventually(lambda: children_of(host))
    service.kill()
    await service.wait()
    await eventually(lambda: not any(running(pid) for pid in [host, *children]))


UNPRIVILEGED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import hostile_jobs
from ingest.sandbox_limits import SandboxLimits, confine, load_libc

file = open(sys.argv[1] + "/file", "rb")
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65533); os.setuid(65533)
confine(SandboxLimits(), load_libc(), file.fileno())
print(os.getuid() != 0, sorted(set(hostile_jobs.tries(file).facts.values())), hostile_jobs.thread(file).facts)
"""


async def test_the_walls_hold_without_root_too(jobs_folder: Path) -> None:
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", UNPRIVILEGED, str(jobs_folder), stdout=subprocess.PIPE
    )
    answer, _ = await service.communicate()
    assert answer.decode().strip() == "True ['OSError', 'PermissionError'] {'seen': [1]}"


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_what_is_said_over_the_wire_comes_back() -> None:
    request = Request("document", {"content_type": "text/plain"}, QUICK)
    assert Request.decode(request.encode()) == request
    assert Ending.decode(Ending(9, timed_out=True).encode()) == Ending(9, timed_out=True)
    answer = b"".join(encode_answer({"facts": {"가": 1}}, [b"a", b""]))
    assert decode_answer(answer) == ({"facts": {"가": 1}}, [b"a", b""])
    assert Output({}).blobs == ()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        b"\0\0\0\x05abc",
        b"\0\0\0\x02{}",
        b"\0\0\0\x02[]",
        b'\0\0\0\x0e{"sizes": "x"}',
        b'\0\0\0\x0e{"sizes": [9]}',
        b'\0\0\0\x0f{"sizes": [-1]}x',
        b'\0\0\0\x0d{"sizes": []}left',
        b"\xff\xff\xff\xff{}",
    ],
)
async def test_an_answer_that_lies_is_refused(answer: bytes) -> None:
    with pytest.raises(FileBroken):
        decode_answer(answer)
