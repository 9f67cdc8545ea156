"""Which steps may run before new code serves, and which only after it.

A release ships its schema in two phases. A `pre` step only adds what old code does not notice, and runs before the new code. A `post` step takes
away what old code still uses, or fills what new code writes by itself, and runs when no old code serves any more. Within a release every `pre`
comes before every `post`; so a `post` that has a `pre` behind it belongs to an older release.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Phase = Literal["pre", "post"]


@dataclass(frozen=True, slots=True)
class Step:
    """One revision; `phase` is what its module says, `pre` unless it says something."""

    revision: str
    phase: Phase
    title: str


class OutOfOrder(Exception):
    """These steps may not run now; the message is a sentence that says which come first."""


def pending(steps: Sequence[Step], current: str | None, to: str | None = None) -> list[Step]:
    """What is missing between `current` and `to` (the newest unless given)."""
    known = [step.revision for step in steps]
    for revision in (current, to):
        if revision is not None and revision not in known:
            raise OutOfOrder(f"This release does not know the step {revision}: it knows {known[0]} to {known[-1]}.")
    begin = 0 if current is None else known.index(current) + 1
    end = len(known) if to is None else known.index(to) + 1
    return list(steps[begin:end])


def allowed(missing: Sequence[Step], phase: Phase | None, *, fresh: bool = False) -> list[Step]:
    """The steps of `missing` that run in `phase`; all of them without one. `fresh`: nothing has ever run there, so no old code can be harmed."""
    if phase is None:
        return list(missing)
    if phase == "pre" and fresh:
        return _until_last_pre(missing)
    first = _leading(missing, phase)
    rest = missing[len(first) :]
    if phase == "post":
        if not first and rest:
            raise OutOfOrder(
                f"Step {rest[0].revision} belongs before the new code: run `maru migrate up --phase pre` first, then bring the new code up."
            )
        return first
    if newer := next((step for step in rest if step.phase == "pre"), None):
        raise OutOfOrder(_waits_for_a_release(first, rest, newer))
    return first


def _waits_for_a_release(first: Sequence[Step], rest: Sequence[Step], newer: Step) -> str:
    before = f"`maru migrate up --phase pre --to {first[-1].revision}`, then that release, then " if first else ""
    return (
        f"Step {rest[0].revision} of an earlier release waits until that release alone serves, and step {newer.revision} of this one builds on it: "
        f"run {before}`maru migrate up --phase post --to {_last_before(rest, newer).revision}`, then this again. Where nothing serves now, "
        "`maru migrate up` runs everything."
    )


def _leading(steps: Sequence[Step], phase: Phase) -> list[Step]:
    found: list[Step] = []
    for step in steps:
        if step.phase != phase:
            break
        found.append(step)
    return found


def _until_last_pre(steps: Sequence[Step]) -> list[Step]:
    last = max((place for place, step in enumerate(steps) if step.phase == "pre"), default=-1)
    return list(steps[: last + 1])


def _last_before(steps: Sequence[Step], step: Step) -> Step:
    return steps[steps.index(step) - 1]
