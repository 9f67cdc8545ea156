"""Takes away what a walk has made, and looks whether it is gone."""

from __future__ import annotations

import asyncio

from maru.smoke.http import Broken, Service, SignInRefused
from maru.smoke.report import Outcome
from maru.smoke.steps.account import sign_in
from maru.smoke.walk import Walk, timed

_EACH_S = 30.0
_ALL_S = 180.0
_PAUSE_S = 0.5
_DELETE_ACCOUNT = "DELETE /api/v1/me"
_LOOK = "what is named here, and remove it by hand: it was made by this walk"


async def remove_traces(walk: Walk) -> list[Outcome]:
    """Remove everything, the newest first, then the account if the walk made it; how that went."""
    if not (walk.made or walk.made_account):
        return []
    outcomes = []
    if walk.made and walk.api.token:
        outcomes.append(await timed("traces removed", _remove_all, walk, _ALL_S, _LOOK))
    if walk.made_account:
        outcomes.append(await timed("account removed", _remove_account, walk, _ALL_S, "the people of this deployment"))
    return outcomes


async def _remove_all(walk: Walk) -> str:
    left, number = [], len(walk.made)
    for path in reversed(walk.made):
        try:
            async with asyncio.timeout(_EACH_S):
                await _remove(walk.api, path)
        except (Broken, TimeoutError) as why:
            left.append(f"{path} ({str(why) or 'no answer in time'})")
    if left:
        raise Broken(f"{len(left)} of {number} things are still there: {'; '.join(left)}")
    await _forgotten(walk)
    return f"{number} things are gone"


async def _remove(api: Service, path: str) -> None:
    if path.startswith("/api/v1/jobs/"):
        # A job that has not ended is not deleted.
        await api.answer("POST", f"{path}/cancel")
    while True:
        answer = await api.answer("DELETE", path)
        if answer.status_code not in (409, 423, 503):
            break
        await asyncio.sleep(_PAUSE_S)
    if not answer.is_success and answer.status_code != 404:
        raise Broken(f"DELETE answered {answer.status_code}")
    while (found := await api.answer("GET", path)).status_code != 404:
        if found.status_code >= 500:
            raise Broken(f"GET answered {found.status_code}")
        await asyncio.sleep(_PAUSE_S)


async def _forgotten(walk: Walk) -> None:
    while True:
        answer = await walk.api.ask("POST", "/api/v1/search", json={"query": walk.word}, status=200)
        if not answer["hits"]:
            return
        await asyncio.sleep(_PAUSE_S)


async def _remove_account(walk: Walk) -> str:
    if not walk.api.token:
        # Its making was not answered: it may be there all the same.
        try:
            await sign_in(walk)
        except SignInRefused:
            return f"{walk.email} was never made"
    if not walk.can(_DELETE_ACCOUNT):
        raise Broken(f"{walk.email} stays: this deployment has no {_DELETE_ACCOUNT}")
    await walk.api.ask("DELETE", "/api/v1/me", json={"password": walk.password})
    walk.api.token = ""
    while True:
        try:
            await sign_in(walk)
        except SignInRefused:
            return f"{walk.email} is gone"
        await asyncio.sleep(_PAUSE_S)
