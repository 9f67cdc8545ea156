"""`maru smoke`: the walk, told on a terminal or as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from maru.errors import CannotStart
from maru.smoke import Options, Report, walk_through
from maru.smoke.report import Outcome

INTERRUPTED = 130


def smoke(options: Options, say: Callable[[str], None], *, as_json: bool) -> int:
    """Walk and tell; the exit status."""
    if not options.url:
        raise CannotStart("Which Maru? Give the address of its api: `maru smoke https://api.example.org`.")
    for name, url in (("URL", options.url), ("--inference-url", options.inference_url), ("--ui-url", options.ui_url)):
        if url and not url.startswith(("http://", "https://")):
            raise CannotStart(f"{name} is {url!r}: write it with http:// or https://.")
    if bool(options.email) != bool(options.password):
        raise CannotStart(
            "An account needs both: --email, and its password by --password-stdin or MARU_SMOKE_PASSWORD."
        )

    def tell(outcome: Outcome) -> None:
        if not as_json:
            say(outcome.line())

    report: Report = asyncio.run(walk_through(options, tell))
    for line in [report.as_json()] if as_json else report.summary():
        say(line)
    return INTERRUPTED if report.interrupted else 0 if report.well else 1
