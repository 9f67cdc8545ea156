"""Other people's linters are run on the files they are for, and what they say is passed on."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]

WORKFLOW = """name: ci
on: pull_request
permissions: {}
concurrency: ci
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0
        with:
          persist-credentials: false
      - run: make test
"""
DEPENDABOT = """version: 2
updates:
  - package-ecosystem: docker
    directory: /
    schedule:
      interval: weekly
"""
GOOD = {
    "services/api/Dockerfile": 'FROM python:3.11-slim\nUSER 10001\nCMD ["python"]\n',
    ".github/workflows/ci.yml": WORKFLOW,
    ".github/dependabot.yml": DEPENDABOT,
    "deploy/compose.yaml": "services:\n  api:\n    image: maru-api\n",
}
BROKEN = {
    "hadolint": ("services/api/Dockerfile", "FROM python:3.11-slim", "FROM python", "DL3006"),
    "workflows": (".github/workflows/ci.yml", "    steps:", "    stepz:", "stepz"),
    "timeouts": (".github/workflows/ci.yml", "    timeout-minutes: 5\n", "", "timeout-minutes"),
    "dependabot": (".github/dependabot.yml", "interval: weekly", "interval: sometimes", "sometimes"),
    "compose": ("deploy/compose.yaml", "image:", "imaeg:", "imaeg"),
}
UNSAFE = {
    "an action without a hash": ("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5", "unpinned-uses"),
    "credentials left on disk": ("persist-credentials: false", "fetch-depth: 1", "artipacked"),
    "all permissions": ("permissions: {}", "permissions: write-all", "excessive-permissions"),
    "words of strangers in a shell": (
        "run: make test",
        "run: echo ${{ github.event.pull_request.title }}",
        "template-injection",
    ),
    "strangers' code with our rights": ("on: pull_request\n", "on: pull_request_target\n", "dangerous-triggers"),
}


@pytest.fixture(scope="module")
def tools() -> ModuleType:
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("deploy.checks.tools")
    finally:
        sys.path.remove(str(ROOT))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in GOOD.items():
        write(tmp_path, name, text)
    write(tmp_path, "deploy/checks/hadolint.yaml", (ROOT / "deploy/checks/hadolint.yaml").read_text())
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def told(tools: ModuleType, root: Path, name: str) -> list[str]:
    """What one of the tools says of a repository."""
    (tool,) = [tool for tool in tools.TOOLS if tool.name == name]
    found: list[str] = list(tools.run(tool, root))
    return found


def test_a_repository_that_is_right_is_left_alone(tools: ModuleType, repository: Path) -> None:
    assert list(tools.check(repository)) == []


@pytest.mark.parametrize("tool", sorted(BROKEN))
def test_what_a_tool_finds_is_passed_on(tools: ModuleType, repository: Path, tool: str) -> None:
    path, old, new, expected = BROKEN[tool]
    assert old in GOOD[path]
    write(repository, path, GOOD[path].replace(old, new))
    found = told(tools, repository, tool)
    assert found
    assert all(line.startswith(f"{tool}: ") for line in found)
    assert any(expected in line for line in found), found


@pytest.mark.parametrize("mistake", sorted(UNSAFE))
def test_a_workflow_that_gives_strangers_more_than_it_should_is_found(
    tools: ModuleType, repository: Path, mistake: str
) -> None:
    old, new, expected = UNSAFE[mistake]
    assert old in WORKFLOW
    write(repository, ".github/workflows/ci.yml", WORKFLOW.replace(old, new))
    assert any(expected in line for line in told(tools, repository, "zizmor"))


def test_a_tool_that_belongs_to_the_environment_and_is_missing_is_told(tools: ModuleType, repository: Path) -> None:
    (hadolint,) = [tool for tool in tools.TOOLS if tool.name == "hadolint"]
    absent = replace(hadolint, command=("nobody-has-this", *hadolint.command[1:]))
    (found,) = tools.run(absent, repository)
    assert "nobody-has-this is not installed: run 'make install'" in found
    assert list(tools.run(replace(absent, required=False), repository)) == []


def test_what_others_keep_beside_our_files_is_not_looked_at(tools: ModuleType, repository: Path) -> None:
    for folder in (".venv/x", "services/ui/node_modules/x", ".cache"):
        write(repository, f"{folder}/Dockerfile", "FROM python\n")
    assert told(tools, repository, "hadolint") == []
