"""What a walk says in the end, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["passed", "failed", "skipped"]
_MARKS: dict[State, str] = {"passed": "✓", "failed": "✗", "skipped": "–"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one step went; `note` says what was found, why it failed and where to look, or why it was left out."""

    name: str
    state: State
    ms: int
    note: str = ""

    def line(self) -> str:
        """For a terminal."""
        return f"{_MARKS[self.state]} {self.name:<24} {self.ms:>6} ms  {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class Report:
    """The whole walk."""

    url: str
    outcomes: Sequence[Outcome]
    ms: int
    interrupted: bool = False

    @property
    def well(self) -> bool:
        """Whether nothing failed and everything was looked at that was asked for."""
        return not self.interrupted and all(outcome.state != "failed" for outcome in self.outcomes)

    def as_json(self) -> str:
        """For programs."""
        document = {
            "url": self.url,
            "ok": self.well,
            "interrupted": self.interrupted,
            "took_ms": self.ms,
            "steps": [asdict(outcome) for outcome in self.outcomes],
        }
        return json.dumps(document, ensure_ascii=False, indent=2)

    def summary(self) -> Iterator[str]:
        """The last lines on a terminal."""
        failed = [outcome for outcome in self.outcomes if outcome.state == "failed"]
        skipped = sum(outcome.state == "skipped" for outcome in self.outcomes)
        left_out = f", {skipped} left out" if skipped else ""
        if self.interrupted:
            yield f"{self.url}: interrupted after {self.ms / 1000:.1f} s"
        elif failed:
            yield f"{self.url}: {len(failed)} of {len(self.outcomes)} steps failed{left_out}, in {self.ms / 1000:.1f} s"
        else:
            yield f"{self.url} works: {len(self.outcomes) - skipped} steps{left_out}, in {self.ms / 1000:.1f} s"
