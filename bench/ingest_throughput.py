"""Short notes understood a second, beside the same tokeniser and index with no service, database or event around them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from maru.postgres import EmbeddedPostgres
from shared.text.chunking import split
from shared.text.morphology import default_morphology
from shared.text.sparse import chunk_counts, entry_vectors
from shared.text.tokenise import terms
from shared.vectors.edge import EdgeIndex
from shared.vectors.port import PointPayload, VectorPoint, point_id

from bench.figure import Figure
from bench.notes import short_notes
from bench.people import Somebody, somebody
from bench.product import product, search_until_found

_NOTES = 300
_WRITERS = 8
_GOAL = 0.6
_WITHIN_S = 120


def measure() -> list[Figure]:
    """The floor before and after, because the machine may change in between."""
    notes = short_notes(_NOTES)
    before = asyncio.run(_floor(notes))
    ours, whole = _product(notes)
    floor = (before + asyncio.run(_floor(notes))) / 2
    ratio = ours / floor
    return [
        Figure(
            "ingest, short notes",
            ours,
            "/s",
            f"≥ {_GOAL} ×",
            ratio >= _GOAL,
            "tokenise + index",
            floor,
            ratio,
            detail={"saving_included_per_second": whole, "notes": _NOTES},
        )
    ]


async def _floor(notes: list[str]) -> float:
    morphology, space, owner = default_morphology(), uuid4(), uuid4()
    terms("먼저 한 번 읽는다.", morphology=morphology)
    with tempfile.TemporaryDirectory(prefix="maru-bench-") as folder:
        index = EdgeIndex(Path(folder))
        await index.ready()
        started = time.perf_counter()
        for note in notes:
            entry = uuid4()
            chunks = split(note)
            counts = chunk_counts([], [terms(chunk.text, morphology=morphology) for chunk in chunks])
            vectors = entry_vectors(counts, 50.0)
            points = [
                VectorPoint(point_id(entry, 1, number), vector, None, _payload(entry, number, space, owner))
                for number, vector in enumerate(vectors)
            ]
            await index.replace_entry(entry, 1, points)
        elapsed = time.perf_counter() - started
        await index.close()
    return len(notes) / elapsed


def _payload(entry: UUID, chunk: int, space: UUID, owner: UUID) -> PointPayload:
    return PointPayload(entry, 1, chunk, space, owner, None, "note", [], [], datetime.now(UTC))


def _product(notes: list[str]) -> tuple[float, float]:
    """Notes a second once all are saved, and with the saving."""
    with product() as running, somebody(running.url) as person:
        first = person.post("/api/v1/entries", {"kind": "note", "body": "느티나무 zelkova"})
        search_until_found(person, "zelkova", first["id"])
        with psycopg.connect(EmbeddedPostgres(running.home).dsn(), autocommit=True) as watcher:
            started = time.perf_counter()
            with ThreadPoolExecutor(_WRITERS) as writers:
                list(writers.map(lambda note: _save(person, note), notes))
            saved, ready_by_then = time.perf_counter(), _ready(watcher)
            while (ready := _ready(watcher)) <= len(notes) and time.perf_counter() < saved + _WITHIN_S:
                time.sleep(0.02)
            ended = time.perf_counter()
    if ready <= len(notes):
        raise TimeoutError(f"{ready} of {len(notes) + 1} ready after {_WITHIN_S} s")
    return (len(notes) + 1 - ready_by_then) / (ended - saved), len(notes) / (ended - started)


def _save(person: Somebody, note: str) -> None:
    person.post("/api/v1/entries", {"kind": "note", "body": note})


def _ready(watcher: psycopg.Connection) -> int:
    row = watcher.execute("SELECT count(*) FROM maru.entries WHERE status = 'ready'").fetchone()
    assert row is not None
    return int(row[0])
