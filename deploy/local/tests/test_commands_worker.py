"""`maru worker`: tokens without the web, and a worker from this command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from shared.studio import worker_tokens
from shared.testing.postgres import RoleUrls

Maru = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def maru(database_urls: RoleUrls, tmp_path: Path) -> Maru:
    """The command as a person runs it, on a database of the test's own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = kept | {"DATABASE_URL": database_urls.api, "MARU_HOME": str(tmp_path)}

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "maru", "worker", *arguments]
        return subprocess.run(argv, env=env, input=stdin, capture_output=True, text=True, timeout=150, check=False)

    return run


def made(told: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """The token and its id: the only thing on standard output."""
    assert told.returncode == 0, told.stderr
    token = told.stdout.removesuffix("\n")
    read = worker_tokens.parse(token)
    assert read is not None, told.stdout
    assert token not in told.stderr
    return token, read[0]


def test_a_token_is_printed_alone_listed_without_its_secret_rotated_and_revoked(maru: Maru) -> None:
    first, token_id = made(maru("token", "create", "--name", "상자 하나", "--expires-days", "7", "--runner", "image"))
    second, same_id = made(maru("token", "rotate", token_id))
    assert (same_id, second != first) == (token_id, True)
    listed = maru("token", "list")
    assert token_id in listed.stdout
    assert "상자 하나" in listed.stdout
    for secret in (first, second):
        assert secret not in listed.stdout
    revoked = maru("token", "revoke", token_id)
    assert (revoked.returncode, revoked.stdout) == (0, "")
    assert f"{token_id}  revoked" in maru("token", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("create", "--name", "x", "--expires-days", "0"), "expires_in_days"),
        (("create", "--name", "two\nlines"), "name"),
        (("create", "--name", "x", "--space", "here"), "space_ids"),
        (("revoke", "aaaaaaaaaaaa"), "no such worker token"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(maru: Maru, arguments: tuple[str, ...], why: str) -> None:
    told = maru("token", *arguments)
    assert (told.returncode, told.stdout) == (1, "")
    (line,) = [line for line in told.stderr.splitlines() if line]
    assert line.startswith("maru: ")
    assert why in line


def test_a_worker_runs_with_the_options_of_the_agent(maru: Maru, tmp_path: Path) -> None:
    assert "--work-dir" in maru("run", "--help").stdout
    refused = maru(
        "run", "--url", "http://127.0.0.1:1", "--token", "-", "--work-dir", str(tmp_path), stdin="no token\n"
    )
    assert refused.returncode == 78
    assert "not a worker token" in refused.stderr
