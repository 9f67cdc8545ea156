"""The workers that `maru up` starts: what they are told, that they come back, and that none is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from api.workers.service import WorkerTokenService
from maru.runtime.worker_tokens import KeptTokens
from maru.runtime.workers import LocalWorker, LocalWorkers, Places, stop_strays, worker_variables
from shared.db import Database
from shared.testing import eventually
from shared.testing.waiting import eventually_sync

# Nobody listens there: a worker waits for its dispatcher to come.
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
async def service(api_database_url: str) -> AsyncGenerator[WorkerTokenService]:
    database = Database(api_database_url)
    yield WorkerTokenService(database)
    await database.close()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    for folder in ("run", "logs"):
        (tmp_path / folder).mkdir()
    return Places(NOWHERE, tmp_path / "run", tmp_path / "workers", tmp_path / "logs")


@pytest.fixture
def tokens(service: WorkerTokenService, tmp_path: Path) -> KeptTokens:
    (tmp_path / "secrets").mkdir()
    return KeptTokens(service, tmp_path / "secrets")


def test_a_worker_is_told_an_address_and_a_token_and_nothing_that_opens_anything_else() -> None:
    env = {"PATH": "/bin", "HOME": "/home/me", "DATABASE_URL": "postgresql://x", "R2_SECRET_KEY": "r2", "MARU_FILES_KEY": "f",
           "OPENAI_API_KEY": "sk", "MARU_SESSION_KEY": "s", "MARU_WORKER_COMMANDS": "/etc/commands.toml"}  # fmt: skip
    assert worker_variables(env, NOWHERE, "wk_x") == {
        "PATH": "/bin",
        "HOME": "/home/me",
        "MARU_WORKER_COMMANDS": "/etc/commands.toml",
        "MARU_INFERENCE_URL": NOWHERE,
        "MARU_WORKER_TOKEN": "wk_x",
    }


async def test_a_token_is_made_once_and_kept_for_its_owner_alone(
    tokens: KeptTokens, service: WorkerTokenService, tmp_path: Path
) -> None:
    first = await tokens.of(1)
    assert await tokens.of(1) == first
    assert await tokens.of(2) != first
    assert len((await service.newest()).worker_tokens) == 2
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("spoil", ["revoked", "cut off", "of another database"])
async def test_a_kept_token_that_is_not_valid_is_replaced(
    tokens: KeptTokens, service: WorkerTokenService, tmp_path: Path, spoil: str
) -> None:
    path = tmp_path / "secrets" / "worker_token_1"
    first = await tokens.of(1)
    if spoil == "revoked":
        await service.revoke(first.split("_")[1])
    else:
        path.write_text(first[:-3] if spoil == "cut off" else "wk_" + "a" * 12 + "_" + "b" * 43)
    second = await tokens.of(1)
    assert second != first
    assert await service.is_valid(second)
    assert path.read_text() == second


def pid_of(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_worker_that_was_killed_comes_back_and_all_end_when_asked(tokens: KeptTokens, places: Places) -> None:
    workers = LocalWorkers([LocalWorker(number, dict(os.environ), places, tokens) for number in (1, 2)])
    workers.start()
    files = [places.ids / f"worker-{number}.pid" for number in (1, 2)]
    try:
        await eventually(lambda: all(pid_of(path) for path in files), within=30)
        first = pid_of(files[0])
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: pid_of(files[0]) not in {None, first}, within=30)
        pids = [pid for path in files if (pid := pid_of(path))]
    finally:
        await workers.stop()
    assert [pid for pid in pids if alive(pid)] == []
    assert not any(path.exists() for path in files)


async def test_a_worker_whose_token_was_taken_back_is_not_started_again(
    tokens: KeptTokens, service: WorkerTokenService, places: Places
) -> None:
    worker = LocalWorker(1, dict(os.environ), places, tokens)
    running = asyncio.create_task(worker.run())
    try:
        pid = await started(lambda: pid_of(places.ids / "worker-1.pid"))
        (token,) = (await service.newest()).worker_tokens
        await service.revoke(token.id)
        os.kill(pid, signal.SIGKILL)
        await asyncio.wait_for(running, 30)
    finally:
        running.cancel()
        await worker.stop()


async def started(pid: Callable[[], int | None]) -> int:
    await eventually(lambda: pid() is not None, within=30)
    found = pid()
    assert found is not None
    return found


def stand_in(*shown: str) -> subprocess.Popen[bytes]:
    """A process that shows these arguments and has a child."""
    sleep = "import time; time.sleep(300)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', '{sleep}']); print(flush=True); {sleep}"
    process = subprocess.Popen([sys.executable, "-c", code, *shown], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_workers_of_a_killed_parent_are_ended_with_what_they_run(tmp_path: Path) -> None:
    stray = stand_in("-m", "worker")
    (tmp_path / "worker-3.pid").write_text(str(stray.pid))
    stop_strays(tmp_path)
    assert stray.wait(10) == -signal.SIGKILL
    eventually_sync(lambda: not group_is_alive(stray.pid))


def test_a_process_that_only_got_the_number_of_a_worker_is_left_alone(tmp_path: Path) -> None:
    other = stand_in("something", "else")
    try:
        (tmp_path / "worker-1.pid").write_text(str(other.pid))
        (tmp_path / "worker-2.pid").write_text("no number")
        (tmp_path / "worker-3.pid").write_text(str(2**22 + 1))
        stop_strays(tmp_path)
        assert other.poll() is None
    finally:
        os.killpg(other.pid, signal.SIGKILL)
        other.wait()


def group_is_alive(group: int) -> bool:
    listing = subprocess.run(["ps", "-eo", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return any(line.split()[0] == str(group) and "Z" not in line.split()[1] for line in listing.splitlines())
