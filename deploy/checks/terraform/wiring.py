"""What Terraform sets, somebody reads; what it counts in logs, somebody writes; what it wakes people for, the guide explains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deploy.checks.terraform.files import Block, Module

_SOURCES = ("shared/src", "services", "deploy/local/src")
_GUIDE = Path("docs/operations.md")
_TABLES = frozenset({"env", "secrets", "shared_env"})
_NAME = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
# Read by libraries rather than by our own code.
_OF_LIBRARIES = frozenset({"OTEL_SERVICE_NAME"})


def check(module: Module, root: Path) -> Iterator[tuple[Block, str]]:
    """The variables that no code knows, the log lines that no code writes, and the alerts that leave people alone."""
    yield from _unexplained(module, root)
    code: str | None = None
    for block in module.of("locals"):
        variables, phrases = _variables(block), _phrases(block)
        if not variables and not phrases:
            continue
        if code is None:
            code = _code(root)
        for name in sorted(variables - _OF_LIBRARIES):
            if f'"{name}"' not in code:
                yield block, f"no code reads the variable {name}"
        for phrase in sorted(phrases):
            if phrase not in code:
                yield block, f"no code logs {phrase!r}: what counts it would stay at zero for ever"


def _unexplained(module: Module, root: Path) -> Iterator[tuple[Block, str]]:
    guide = root / _GUIDE
    told = guide.read_text(encoding="utf-8") if guide.exists() else ""
    for block in module.of("locals"):
        alerts = block.body.arguments.get("alerts")
        for alert in alerts.values() if isinstance(alerts, dict) else ():
            name = str(alert.get("name", "")).strip('"') if isinstance(alert, dict) else ""
            if name and f"**{name}**" not in told:
                yield block, f"{_GUIDE} does not say what to do about the alert {name!r}"


def _variables(block: Block) -> set[str]:
    """What the tables of variables hold: names in capitals, as keys or as the value of `env`."""
    tables = [value for name, value in block.body.arguments.items() if name in _TABLES]
    return {word for table in tables for word in _NAME.findall(str(table))}


def _phrases(block: Block) -> set[str]:
    phrases = block.body.arguments.get("log_phrases")
    return {str(value).strip('"') for value in phrases.values()} if isinstance(phrases, dict) else set()


def _code(root: Path) -> str:
    return "\n".join(
        path.read_text(encoding="utf-8")
        for folder in _SOURCES
        for path in sorted((root / folder).rglob("*.py"))
        if "tests" not in path.parts and "testing" not in path.parts
    )
