"""Following streams over connections that end early: what was seen is not seen again, and nothing is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from maru.smoke.http import Broken, Service

ENDS = frozenset({"done", "failed", "cancelled", "error", "interrupted"})
_CONNECTIONS = 20


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream."""

    id: int
    name: str
    data: dict[str, Any]


async def follow(service: Service, path: str, seen: list[Event] | None = None, *, drop_after: int = 1) -> list[Event]:
    """Every event until the stream's end. The first connection is dropped after some events, on purpose, to see that the next one goes on."""
    events = list(seen or [])
    for connection in range(_CONNECTIONS):
        last = events[-1].id if events else 0
        headers = {"Last-Event-ID": str(last)} if last else {}
        received = 0
        async with aclosing(_read(service, "GET", path, headers=headers)) as reading:
            async for event in reading:
                if event.id <= last:
                    raise Broken(f"GET {path} repeated event {event.id} after Last-Event-ID {last}")
                events.append(event)
                last, received = event.id, received + 1
                if event.name in ENDS:
                    return events
                if connection == 0 and not seen and received == drop_after:
                    break
    raise Broken(f"GET {path} never told the end of its stream, over {_CONNECTIONS} connections")


async def begin(service: Service, path: str, body: dict[str, Any], until: Callable[[Event], bool]) -> list[Event]:
    """The first events of what a POST starts; the connection is dropped after the one that `until` names."""
    events: list[Event] = []
    async with aclosing(_read(service, "POST", path, json=body)) as reading:
        async for event in reading:
            events.append(event)
            if until(event) or event.name in ENDS:
                break
    return events


async def _read(service: Service, method: str, path: str, **request: Any) -> AsyncGenerator[Event]:
    import httpx

    try:
        async with service.lines(method, path, **request) as (status, lines):
            if status == 204:
                return
            fields: dict[str, str] = {}
            async for line in lines:
                name, _, value = line.partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                elif not line and "data" in fields:
                    yield _event(path, fields)
                    fields = {}
    except httpx.TransportError:
        # A connection that breaks is what reconnecting is for.
        return


def _event(path: str, fields: dict[str, str]) -> Event:
    try:
        data = json.loads(fields["data"])
        return Event(int(fields.get("id", "0")), fields.get("event", "message"), data if isinstance(data, dict) else {})
    except ValueError:
        raise Broken(f"{path} sent an event that is no JSON: {fields['data'][:100]}") from None
