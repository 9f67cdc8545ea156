"""Requests a second of an authenticated read (JWT, row-level security) beside FastAPI doing `SELECT 1` on the same database."""

from __future__ import annotations

import asyncio

from bench.figure import Figure, median, quantile
from bench.ground import ground
from bench.load import Load, press, request
from bench.people import somebody
from bench.processes import running

_CONNECTIONS = 16
_SECONDS = 2.0
_ROUNDS = 5
_GOAL = 0.6


def measure() -> list[Figure]:
    """Runs interleave; the ratio is the median of neighbours in time."""
    with (
        ground() as base,
        running("api", base.variables("api")) as api,
        running("bench.peers.select_one", {"DATABASE_URL": base.urls.api}) as peer,
        somebody(api.url) as person,
    ):
        entry = person.post(
            "/api/v1/entries", {"kind": "note", "body": "오늘은 바람이 불었다. A windy day.", "title": "바람"}
        )
        ours = request(f"/api/v1/entries/{entry['id']}", {"Authorization": f"Bearer {person.token}"})
        pairs = asyncio.run(_rounds(api.port, ours, peer.port))
        grown = api.resident_mib()
    ratios = [one.per_second / other.per_second for one, other in pairs]
    value, floor = median([one.per_second for one, _ in pairs]), median([other.per_second for _, other in pairs])
    statuses = {status for one, _ in pairs for status in one.statuses}
    detail = {
        "p50_ms": median(pairs[-1][0].latencies_ms),
        "p95_ms": quantile(pairs[-1][0].latencies_ms, 0.95),
        "statuses": sorted(statuses),
        "ratios": ratios,
    }
    ratio = median(ratios)
    read = Figure(
        "authenticated GET /entries/{id}",
        value,
        "/s",
        f"≥ {_GOAL} ×",
        ratio >= _GOAL and statuses == {200},
        "FastAPI SELECT 1",
        floor,
        ratio,
        detail=detail,
    )
    return [read, Figure("api memory after the load", grown, "MiB", "≤ 110 MiB", grown <= 110)]


async def _rounds(api: int, ours: bytes, peer: int) -> list[tuple[Load, Load]]:
    one = request("/one")
    for port, wanted in ((api, ours), (peer, one)):
        await press(port, wanted, connections=_CONNECTIONS, seconds=0.5)
    return [
        (
            await press(api, ours, connections=_CONNECTIONS, seconds=_SECONDS),
            await press(peer, one, connections=_CONNECTIONS, seconds=_SECONDS),
        )
        for _ in range(_ROUNDS)
    ]
