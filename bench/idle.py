"""What the product does when nobody uses it: no call of a model, nothing delivered, and how much processor time that takes."""

from __future__ import annotations

import os
import time

import psycopg
from maru.postgres import EmbeddedPostgres

from bench.figure import Figure
from bench.model_peer import counting_peer
from bench.people import somebody
from bench.processes import Running
from bench.product import product, search_until_found

_SETTLE_S = 5
_WATCH_S = 20


def measure() -> list[Figure]:
    """After one note has been understood, so that everything has been used once."""
    with counting_peer() as (peer, seen), product(peer.env) as running, somebody(running.url) as person:
        entry = person.post("/api/v1/entries", {"kind": "note", "body": "느티나무 zelkova"})
        search_until_found(person, "zelkova", entry["id"])
        time.sleep(_SETTLE_S)
        process = Running(running.process, running.ports["api"], 0)
        with psycopg.connect(EmbeddedPostgres(running.home).dsn(), autocommit=True) as watcher:
            calls, cpu, transactions = len(seen.requests), process.cpu_s(), _transactions(watcher)
            time.sleep(_WATCH_S)
            calls, cpu = len(seen.requests) - calls, process.cpu_s() - cpu
            transactions = _transactions(watcher) - transactions
    share = cpu / _WATCH_S * 100
    return [
        Figure(f"model calls in {_WATCH_S} idle seconds", calls, "calls", "0", calls == 0),
        Figure(
            "processor while idle (all services)",
            share,
            "%",
            "–",
            None,
            detail={"transactions_per_second": transactions / _WATCH_S, "cores": os.cpu_count()},
        ),
    ]


def _transactions(watcher: psycopg.Connection) -> int:
    row = watcher.execute("SELECT sum(xact_commit) FROM pg_stat_database").fetchone()
    assert row is not None
    return int(row[0])
