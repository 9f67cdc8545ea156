"""The walk: one step after another, each with its time limit, and at the end, however it ends, the traces."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from maru.smoke.http import Broken, Service, Skipped
from maru.smoke.report import Outcome, Report

if TYPE_CHECKING:
    import httpx

Run = Callable[["Walk"], Awaitable[str]]
Tell = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class Options:
    """Where to, and as whom."""

    url: str
    inference_url: str = ""
    ui_url: str = ""
    email: str = ""
    password: str = field(default="", repr=False)
    worker_token: str = field(default="", repr=False)
    patience: float = 1.0
    """Every step's time limit is multiplied by it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a person or a worker does.

    `needs` are steps that must have passed; when one has not, this one is left out. `look` tells whoever sees it fail where to look.
    """

    name: str
    run: Run
    look: str
    needs: tuple[str, ...] = ()
    within_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Written:
    """An entry that the walk wrote: `body` is the truth that answers are held to."""

    id: str
    body: str
    question: str = ""


@dataclass
class Walk:
    """What steps share: the services, who one is, and what has been made, for it must go again."""

    options: Options
    api: Service
    inference: Service | None
    http: httpx.AsyncClient
    run: str = field(default_factory=lambda: secrets.token_hex(6))
    offers: set[str] = field(default_factory=set)
    """`METHOD /path` of what this release's api can do."""
    email: str = ""
    password: str = field(default="", repr=False)
    made_account: bool = False
    entries: dict[str, Written] = field(default_factory=dict)
    uploads: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    job: str = ""
    output: bytes | None = None
    made: list[str] = field(default_factory=list)
    """Paths of what was made, the oldest first."""

    @property
    def word(self) -> str:
        """A word that stands in everything this walk writes, and nowhere else."""
        return f"smoke{self.run}"

    def can(self, operation: str) -> bool:
        """Whether this release's api has `METHOD /path`."""
        return operation in self.offers


async def walk_through(options: Options, tell: Tell) -> Report:
    """Take every step, tell of each as it ends, and take the traces away: also after a failure, and when interrupted."""
    import httpx

    from maru.smoke.steps import STEPS
    from maru.smoke.traces import remove_traces

    began = time.monotonic()
    outcomes: list[Outcome] = []
    interrupted = False

    def add(outcome: Outcome) -> None:
        outcomes.append(outcome)
        tell(outcome)

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    limits = httpx.Timeout(60, connect=20)
    async with httpx.AsyncClient(timeout=limits, follow_redirects=False) as http:
        inference = (
            Service(http, options.inference_url.rstrip("/"), options.worker_token) if options.inference_url else None
        )
        walk = Walk(options, Service(http, options.url.rstrip("/")), inference, http)
        try:
            for step in STEPS:
                add(await _take(step, walk, {outcome.name for outcome in outcomes if outcome.state == "passed"}))
        except asyncio.CancelledError:
            # Asked to stop: what was made goes all the same, and a second request to stop is obeyed at once.
            interrupted = True
            task.uncancel()
        for outcome in await remove_traces(walk):
            add(outcome)
    return Report(options.url, outcomes, _ms(began), interrupted)


async def _take(step: Step, walk: Walk, passed: set[str]) -> Outcome:
    if missing := [name for name in step.needs if name not in passed]:
        return Outcome(step.name, "skipped", 0, f"needs: {', '.join(missing)}")
    return await timed(step.name, step.run, walk, step.within_s * walk.options.patience, step.look)


async def timed(name: str, run: Run, walk: Walk, within_s: float, look: str) -> Outcome:
    """Run one step; whatever it meets becomes its outcome."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(within_s):
            note = await run(walk)
        return Outcome(name, "passed", _ms(began), note)
    except Skipped as reason:
        return Outcome(name, "skipped", _ms(began), str(reason))
    except Broken as broken:
        return Outcome(name, "failed", _ms(began), f"{broken}. Look at {look}.")
    except TimeoutError:
        return Outcome(name, "failed", _ms(began), f"It was not done within {within_s:.0f} s. Look at {look}.")
    except (KeyError, TypeError, ValueError, IndexError) as unfit:
        # An answer of another shape than the API promises.
        said = f"An answer has not the promised shape ({type(unfit).__name__}: {unfit})"
        return Outcome(
            name, "failed", _ms(began), f"{said}. Look at whether this `maru` and the deployment are of one release."
        )


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
