"""Fills a running Maru through its own HTTP API, as any program would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files

from maru.api_client import ApiClient, Refused, api_client
from maru.demo.household import PEOPLE, QUESTIONS, HouseholdEntry, household, now
from maru.demo.pictures import SCENES, Scene, render

DEMO_EMAIL = "demo@maru.example"
DEMO_PASSWORD = "maru-demo-household"  # noqa: S105 - a demo account on the person's own machine

_AT_ONCE = 6
_READY_WITHIN_S = 180
_DOCUMENTS = (("moving-checklist.md", "text/markdown", 12), ("lease-summary.pdf", "application/pdf", 3))

Say = Callable[[str], None]
SeedFailed = Refused


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What is there now. `already_there` says that an earlier run had filled it and nothing was added."""

    entries: int
    failed: int
    questions: int
    already_there: bool


async def seed(api_url: str, say: Say, *, email: str = DEMO_EMAIL, password: str = DEMO_PASSWORD) -> SeedReport:
    """Make the demo account and its year; a second call finds it and adds nothing. Raises `SeedFailed`."""
    async with api_client(api_url) as api:
        await api.sign_up_or_in(email, password, "소연 & Daniel")
        if (await api.ask("GET", "/api/v1/entries", params={"page_size": 1}))["entries"]:
            return SeedReport(0, 0, 0, already_there=True)
        say("Writing a year of entries in Korean and English …")
        await _write_entries(api, await _add_people(api))
        say("Adding photos and documents …")
        for scene in SCENES:
            await _add_photo(api, scene)
        for name, content_type, days_ago in _DOCUMENTS:
            await _add_document(api, name, content_type, days_ago)
        say("Waiting until everything is understood …")
        await api.wait_until_understood(_READY_WITHIN_S)
        for question in QUESTIONS:
            await _ask_question(api, question)
        ready, failed = await api.count_entries("ready"), await api.count_entries("failed")
        return SeedReport(ready, failed, len(QUESTIONS), already_there=False)


async def _add_people(api: ApiClient) -> dict[str, str]:
    ids = {}
    for person in PEOPLE:
        wish = {"name": person.name, "relation": person.relation, "birth_date": person.birth_date}
        ids[person.name] = str((await api.ask("POST", "/api/v1/people", json=wish))["id"])
    return ids


async def _write_entries(api: ApiClient, people: dict[str, str]) -> None:
    today, turn = now(), asyncio.Semaphore(_AT_ONCE)

    async def write(entry: HouseholdEntry) -> None:
        async with turn:
            wish = {
                "kind": "note",
                "title": entry.title,
                "body": entry.body,
                "occurred_at": entry.occurred_at(today).isoformat(),
                "person_id": people.get(entry.person or ""),
            }
            await api.ask("POST", "/api/v1/entries", json=wish)

    await asyncio.gather(*(write(entry) for entry in household()))


async def _add_photo(api: ApiClient, scene: Scene) -> None:
    taken = (now() - timedelta(days=scene.days_ago)).replace(hour=15, minute=20, second=0, microsecond=0)
    data = await asyncio.to_thread(render, scene, taken)
    await _file_entry(api, "photo", await api.upload(scene.name, "image/jpeg", data), taken, body=scene.caption)


async def _add_document(api: ApiClient, name: str, content_type: str, days_ago: int) -> None:
    data = (files("maru.demo") / "files" / name).read_bytes()
    upload = await api.upload(name, content_type, data)
    await _file_entry(api, "document", upload, now() - timedelta(days=days_ago), title=name)


async def _file_entry(api: ApiClient, kind: str, upload: str, at: datetime, **fields: str) -> None:
    wish = {"kind": kind, "uploads": [upload], "occurred_at": at.isoformat(), **fields}
    await api.ask("POST", "/api/v1/entries", json=wish)


async def _ask_question(api: ApiClient, question: str) -> None:
    conversation = await api.ask("POST", "/api/v1/conversations", json={})
    await api.ask("POST", f"/api/v1/conversations/{conversation['id']}/messages", json={"content": question})
