"""What `maru doctor` finds, and how it tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` is what to do about it."""

    state: State
    what: str
    found: str
    advice: str = ""


def render(findings: Iterable[Finding], say: Callable[[str], None]) -> bool:
    """Print them; whether nothing is wrong."""
    well = True
    for finding in findings:
        mark = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}[finding.state]
        say(f"{mark}  {finding.what}: {finding.found}")
        if finding.advice:
            say(f"         → {finding.advice}")
        well = well and finding.state != "wrong"
    return well


def counted(number: int, one: str, many: str) -> str:
    """`1 task waits`, `2 tasks wait`."""
    return f"{number} {one if number == 1 else many}"
