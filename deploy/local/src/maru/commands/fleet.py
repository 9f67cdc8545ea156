"""`maru fleet`: what the rented hosts are, would be and cost, and an end to all of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from maru.errors import CannotStart

if TYPE_CHECKING:
    from inference.fleet.forecast import Forecast
    from inference.fleet.plan import Action, Unmet, World
    from inference.fleet.reconcile import Fleet
    from inference.fleet.settings import FleetSettings

    from maru.home import Home

fleet = typer.Typer(no_args_is_help=True, help="Rented hosts.")

Say = Callable[[str], None]

_WHY = {
    "max_hosts": "MARU_FLEET_MAX_HOSTS are there",
    "budget": "the budget does not last for another one",
    "image_lacks_it": "hosts of this image were seen not to have its runner or model",
    "runner_not_rented_for": "MARU_FLEET_RUNNERS does not name it",
}
# Another look may be under way for so long.
_PATIENCE_S = 60


@fleet.command("plan")
def plan() -> None:
    """Say what would be rented and ended now, and what it would cost. Does none of it."""
    plan_and_say(os.environ, typer.echo)


@fleet.command("status")
def status() -> None:
    """Show the hosts that are rented, those of the last week, and what was spent."""
    status_and_say(os.environ, typer.echo)


@fleet.command("stop")
def stop(
    every: Annotated[bool, typer.Option("--all", help="End every host, whatever it does.")] = False,
) -> None:
    """End all hosts now. What they were working on goes back to the queue."""
    if not every:
        raise CannotStart("Say `maru fleet stop --all`: it ends every host, also those that work.")
    raise typer.Exit(0 if stop_and_say(os.environ, typer.echo) else 1)


def plan_and_say(env: Mapping[str, str], say: Say) -> None:
    """Say what the next look at the fleet would do, and what it would cost. Nothing is rented or ended."""
    from inference.fleet.settings import FleetSettings

    settings = FleetSettings.from_env(env, planning=True)
    assert settings is not None
    asyncio.run(_plan(env, settings, say))


def status_and_say(env: Mapping[str, str], say: Say) -> None:
    """Say which hosts are rented, by our own books, and what was spent."""
    asyncio.run(_status(env, say))


def stop_and_say(env: Mapping[str, str], say: Say) -> bool:
    """End every host of this installation, whatever it does; whether all are ended."""
    from inference.fleet.settings import FleetSettings

    settings = FleetSettings.from_env({**env, "MARU_FLEET": "off"})
    if settings is None:
        raise CannotStart(
            "Hosts can be ended only with VAST_API_KEY and MARU_INFERENCE_PUBLIC_URL (or MARU_FLEET_INSTALLATION), as they were rented: "
            "set both and run this again."
        )
    return asyncio.run(_stop(env, settings, say))


async def _plan(env: Mapping[str, str], settings: FleetSettings, say: Say) -> None:
    from inference.fleet.forecast import forecast

    async with _fleet(env, settings) as hosts:
        seen = await forecast(hosts)
    _say_world(seen.world, say)
    limits = settings.limits
    say(
        f"Spent: {_usd(seen.world.spent_today_micros)} of {_usd(limits.daily_micros)} today,"
        f" {_usd(seen.world.spent_month_micros)} of {_usd(limits.monthly_micros)} this month"
    )
    _say_queues(seen, say)
    lines = [_deed(action) for action in seen.plan.actions]
    say("To do:" if any(lines) or seen.picks else "To do: nothing")
    for line in filter(None, lines):
        say(f"  {line}")
    for rent, offer in seen.picks:
        what = f"{offer.gpu_name}, {offer.gpu_memory_gib:.0f} GiB, {_usd(offer.price_micros_per_hour)} an hour" if offer else (
            f"nothing: no offer at {_usd(rent.max_price_micros)} an hour"
        )  # fmt: skip
        say(f"  rent for {rent.demand.runner}: {what}")
    for unmet in seen.plan.unmet:
        say(f"  {_not_rented(unmet)}")
    say(f"Cost: {_usd(seen.now_micros_per_hour)} an hour now, {_usd(seen.then_micros_per_hour)} then")


async def _status(env: Mapping[str, str], say: Say) -> None:
    from inference.fleet.fleet_store import recent_hosts, spent
    from shared.db import Database

    from maru.commands.database import database_of

    with database_of(_home(env), env) as dsn_of:
        database = Database(dsn_of("maru_inference"), max_size=2)
        try:
            async with database.service_tx() as connection:
                hosts = await recent_hosts(connection)
                today, month = await spent(connection)
        finally:
            await database.close()
    say(f"MARU_FLEET={env.get('MARU_FLEET') or 'off'}; spent {_usd(today)} today and {_usd(month)} this month")
    for host in hosts:
        say(
            f"  {host.label}  {host.status:8}  {host.gpu_name or '?'}  {_usd(host.price_micros_per_hour)} an hour"
            f"  {_usd(host.cost_micros)} until now  since {host.created_at:%Y-%m-%d %H:%M}{f'  ({host.reason})' if host.reason else ''}"
        )
    if not hosts:
        say("  no host was rented within a week")


async def _stop(env: Mapping[str, str], settings: FleetSettings, say: Say) -> bool:
    async with _fleet(env, settings) as hosts:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_S
        look = await hosts.stop_all()
        while look.busy and loop.time() < deadline:
            await asyncio.sleep(1)
            look = await hosts.stop_all()
    say(
        f"{len(look.destroyed)} hosts are ended"
        if not look.busy
        else "Another look at the fleet does not end; try again"
    )
    for trouble in look.troubles:
        say(f"  {trouble}")
    if (env.get("MARU_FLEET") or "off") == "on":
        say("MARU_FLEET is on: what is queued will be rented for again; set it to off to prevent that")
    return not (look.busy or look.troubles)


@asynccontextmanager
async def _fleet(env: Mapping[str, str], settings: FleetSettings) -> AsyncGenerator[Fleet]:
    from inference.fleet.reconcile import Fleet
    from inference.fleet.vast import VastHosts
    from shared.db import Database

    from maru.commands.database import database_of

    with database_of(_home(env), env) as dsn_of:
        database = Database(dsn_of("maru_inference"), max_size=4)
        opened = Fleet(database, VastHosts(settings.api_url, settings.api_key), settings)
        try:
            yield opened
        finally:
            await opened.close()
            await database.close()


def _home(env: Mapping[str, str]) -> Home:
    from shared.settings import maru_home

    from maru.home import Home

    return Home(maru_home(env))


def _say_world(world: World, say: Say) -> None:
    say(f"Hosts: {len(world.hosts) or 'none'}")
    for host in world.hosts:
        say(f"  {host.label}  {host.status}  {host.gpu_name}  {_usd(host.price_micros_per_hour)} an hour")


def _say_queues(seen: Forecast, say: Say) -> None:
    say("Queues:" if seen.world.demand else "Queues: empty")
    for demand in seen.world.demand:
        cost = seen.cost_micros(demand)
        needs = ", ".join(f"{name} {value}" for name, value in demand.requires.model_dump(exclude_none=True).items())
        say(
            f"  {demand.runner}{f' ({needs})' if needs else ''}: {demand.queued} queued, {demand.processing} in hand,"
            f" the oldest for {demand.oldest_wait_s / 60:.0f} min; about {demand.work_s / 3600:.1f} h of one machine,"
            f" {'nobody would do it' if cost is None else _usd(cost)}"
        )


def _deed(action: Action) -> str | None:
    from inference.fleet.hosts import Drain, Stop

    match action:
        case Stop(host, reason):
            return f"end {host.label} ({reason})"
        case Drain(host, reason):
            return f"let {host.label} finish and end ({reason})"
        case _:
            return None


def _not_rented(unmet: Unmet) -> str:
    return f"{unmet.hosts} more for {unmet.demand.runner} not rented: {_WHY[unmet.obstacle]}"


def _usd(micros: int) -> str:
    return f"${micros / 1_000_000:.2f}"
