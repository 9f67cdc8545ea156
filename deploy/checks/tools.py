"""Linters of others for what is not Python: Dockerfiles, workflows, compose files, shell scripts, Terraform's layout.

Those of the development environment are always there. `shellcheck` and `terraform` are run where somebody has them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tool:
    """A command that is given files. Exit code 0 is approval; what it prints otherwise is the complaint.

    No glob goes through whole trees: environments and image stores may lie in them, and change while we look.
    """

    name: str
    command: Sequence[str]
    globs: Sequence[str]
    required: bool = True


TOOLS: Sequence[Tool] = (
    Tool(
        "hadolint",
        ("hadolint", "--no-color", "--config", "deploy/checks/hadolint.yaml"),
        ("services/*/Dockerfile*", "deploy/*/Dockerfile*"),
    ),
    Tool(
        "workflows", ("check-jsonschema", "--builtin-schema", "vendor.github-workflows"), (".github/workflows/*.yml",)
    ),
    Tool(
        "timeouts",
        ("check-jsonschema", "--builtin-schema", "custom.github-workflows-require-timeout"),
        (".github/workflows/*.yml",),
    ),
    Tool("dependabot", ("check-jsonschema", "--builtin-schema", "vendor.dependabot"), (".github/dependabot.yml",)),
    Tool("compose", ("check-jsonschema", "--builtin-schema", "vendor.compose-spec"), ("deploy/compose*.y*ml",)),
    # It skips what breaks the schema, so the schema is checked as well. Offline: it would ask GitHub about each action.
    Tool(
        "zizmor",
        (
            "zizmor",
            "--offline",
            "--quiet",
            "--no-progress",
            "--color=never",
            "--persona=pedantic",
            "--min-severity=medium",
        ),
        (".github/workflows/*.yml",),
    ),
    Tool("shellcheck", ("shellcheck", "--severity=warning"), ("deploy/*/*.sh", ".ci/run"), required=False),
    Tool("terraform", ("terraform", "fmt", "-check", "-no-color"), ("deploy/terraform/*.tf",), required=False),
)


def check(root: Path) -> Iterator[str]:
    """What the tools complain of, each run beside the others."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        for complaints in pool.map(lambda tool: list(run(tool, root)), TOOLS):
            yield from complaints


def run(tool: Tool, root: Path) -> Iterator[str]:
    """What one tool complains of."""
    files = sorted({str(path.relative_to(root)) for glob in tool.globs for path in root.glob(glob) if path.is_file()})
    if not files:
        return
    program = _find(tool.command[0])
    if program is None:
        if tool.required:
            yield f"{files[0]}:1: {tool.command[0]} is not installed: run 'make install'"
        return
    done = subprocess.run(  # noqa: S603 - the commands above, with names of our own files
        [program, *tool.command[1:], *files], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        yield from (f"{tool.name}: {line}" for line in said or [f"ended with {done.returncode} and said nothing"])


def _find(program: str) -> str | None:
    """Beside this interpreter first, as `make install` puts it there."""
    beside = Path(sys.executable).with_name(program)
    return str(beside) if beside.exists() else shutil.which(program)
