"""Fills a running Maru through its own HTTP API, as any program would."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from maru.demo.household import PEOPLE, QUESTIONS, HouseholdEntry, household, now
from maru.demo.pictures import SCENES, Scene, render

if TYPE_CHECKING:
    import httpx

DEMO_EMAIL = "demo@maru.example"
DEMO_PASSWORD = "maru-demo-household"  # noqa: S105 - a demo account on the person's own machine

_AT_ONCE = 6
_READY_WITHIN_S = 180
_DOCUMENTS = (("moving-checklist.md", "text/markdown", 12), ("lease-summary.pdf", "application/pdf", 21))

Say = Callable[[str], None]


class SeedFailed(Exception):
    """The product refused something the demo needs."""


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What is there now. `already_there` says that an earlier run had filled it and nothing was added."""

    entries: int
    failed: int
    questions: int
    already_there: bool


async def seed(api_url: str, say: Say, *, email: str = DEMO_EMAIL, password: str = DEMO_PASSWORD) -> SeedReport:
    """Make the demo account and its year; a second call finds it and adds nothing."""
    import httpx

    async with httpx.AsyncClient(base_url=api_url, timeout=60) as client:
        await _sign_in(client, email, password)
        existing = await _ask(client, "GET", "/api/v1/entries", params={"page_size": 1})
        if existing["entries"]:
            return SeedReport(0, 0, 0, already_there=True)
        say("Writing a year of entries in Korean and English …")
        people = {
            person.name: await _add_person(client, person.name, person.relation, person.birth_date) for person in PEOPLE
        }
        await _write_entries(client, people)
        say("Adding photos and documents …")
        for scene in SCENES:
            await _add_photo(client, scene)
        for name, content_type, days_ago in _DOCUMENTS:
            await _add_document(client, name, content_type, days_ago)
        say("Waiting until everything is understood …")
        ready, failed = await _wait_until_understood(client)
        for question in QUESTIONS:
            await _ask_question(client, question)
        return SeedReport(ready, failed, len(QUESTIONS), already_there=False)


async def _sign_in(client: httpx.AsyncClient, email: str, password: str) -> None:
    credentials = {"email": email, "password": password}
    answer = await client.post("/auth/v1/signup", json={**credentials, "data": {"name": "소연 & Daniel"}})
    if answer.status_code == 422:
        answer = await client.post("/auth/v1/token", params={"grant_type": "password"}, json=credentials)
    if answer.status_code != 200:
        raise SeedFailed(f"The demo account cannot be used: {answer.json().get('message', answer.text)}")
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def _ask(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> dict[str, Any]:
    """One call; a rate limit is waited out, anything else that is not 2xx ends the seeding with its reason."""
    while True:
        answer = await client.request(method, path, **request)
        if answer.status_code == 429:
            await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
            continue
        if answer.is_success:
            document: dict[str, Any] = answer.json() if answer.content else {}
            return document
        raise SeedFailed(f"{method} {path} was answered with {answer.status_code}: {answer.text[:300]}")


async def _add_person(client: httpx.AsyncClient, name: str, relation: str, birth_date: str | None) -> str:
    person = await _ask(
        client, "POST", "/api/v1/people", json={"name": name, "relation": relation, "birth_date": birth_date}
    )
    return str(person["id"])


async def _write_entries(client: httpx.AsyncClient, people: dict[str, str]) -> None:
    today, turn = now(), asyncio.Semaphore(_AT_ONCE)

    async def write(entry: HouseholdEntry) -> None:
        async with turn:
            body = {
                "kind": "note",
                "title": entry.title,
                "body": entry.body,
                "occurred_at": entry.occurred_at(today).isoformat(),
                "person_id": people.get(entry.person or ""),
            }
            await _ask(client, "POST", "/api/v1/entries", json=body)

    async with asyncio.TaskGroup() as group:
        for entry in household():
            group.create_task(write(entry))


async def _add_photo(client: httpx.AsyncClient, scene: Scene) -> None:
    taken = (now() - timedelta(days=scene.days_ago)).replace(hour=15, minute=20, second=0, microsecond=0)
    data = await asyncio.to_thread(render, scene, taken)
    upload = await _upload(client, scene.name, "image/jpeg", data)
    await _file_entry(client, "photo", upload, taken, body=scene.caption)


async def _add_document(client: httpx.AsyncClient, name: str, content_type: str, days_ago: int) -> None:
    data = (files("maru.demo") / "files" / name).read_bytes()
    upload = await _upload(client, name, content_type, data)
    await _file_entry(client, "document", upload, now() - timedelta(days=days_ago), title=name)


async def _upload(client: httpx.AsyncClient, name: str, content_type: str, data: bytes) -> str:
    import httpx

    ticket = await _ask(
        client,
        "POST",
        "/api/v1/uploads",
        json={
            "filename": name,
            "content_type": content_type,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        },
    )
    # The object store is another server in the cloud: it must not see the access token.
    async with httpx.AsyncClient(timeout=60) as store:
        stored = await store.request(ticket["method"], ticket["url"], headers=ticket["headers"], content=data)
    if not stored.is_success:
        raise SeedFailed(f"{name} could not be stored: {stored.status_code} {stored.text[:300]}")
    await _ask(client, "POST", f"/api/v1/uploads/{ticket['id']}/complete")
    return str(ticket["id"])


async def _file_entry(client: httpx.AsyncClient, kind: str, upload: str, at: datetime, **fields: str) -> None:
    body = {"kind": kind, "uploads": [upload], "occurred_at": at.isoformat(), **fields}
    await _ask(client, "POST", "/api/v1/entries", json=body)


async def _wait_until_understood(client: httpx.AsyncClient) -> tuple[int, int]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _READY_WITHIN_S
    while True:
        states = [entry["status"] for entry in await _all_entries(client)]
        if "processing" not in states or loop.time() > deadline:
            return states.count("ready"), len(states) - states.count("ready")
        await asyncio.sleep(0.5)


async def _all_entries(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        query = {"page_size": 100} | ({"page_token": token} if token else {})
        page = await _ask(client, "GET", "/api/v1/entries", params=query)
        found += page["entries"]
        token = page["next_page_token"]
        if token is None:
            return found


async def _ask_question(client: httpx.AsyncClient, question: str) -> None:
    conversation = await _ask(client, "POST", "/api/v1/conversations", json={})
    await _ask(client, "POST", f"/api/v1/conversations/{conversation['id']}/messages", json={"content": question})
