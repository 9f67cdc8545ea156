"""`maru seed`: a year of a household, written through the product's own API."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]


async def seed_and_say(api_url: str, say: Say) -> bool:
    """Fill it and say what is there; whether it worked."""
    import httpx

    from maru.demo import DEMO_EMAIL, DEMO_PASSWORD, seed
    from maru.demo.seeding import SeedFailed

    try:
        report = await seed(api_url, say)
    except (SeedFailed, httpx.HTTPError, httpx.InvalidURL) as problem:
        say(f"maru: the demo could not be written: {problem}")
        return False
    if report.already_there:
        say("The demo is there already.")
    else:
        say(f"The demo is there: {report.entries} entries, {report.failed} failed, {report.questions} questions.")
    say(f"Sign in as {DEMO_EMAIL} with the password {DEMO_PASSWORD}")
    return True
