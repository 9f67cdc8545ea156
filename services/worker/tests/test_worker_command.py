"""The agent of a release without runners."""

import subprocess
import sys


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_it_says_that_there_is_nothing_to_run_and_does_not_pass_for_a_success() -> None:
    ended = run("-m", "worker")
    assert ended.returncode == 64
    assert "no runner" in ended.stderr
    assert ended.stdout == ""


def test_it_opens_nothing_and_imports_nothing_heavy() -> None:
    ended = run(
        "-c",
        "import sys, worker.__main__; print([m for m in ('httpx', 'PIL', 'shared', 'socket') if m in sys.modules])",
    )
    assert ended.stdout.strip() == "[]"
