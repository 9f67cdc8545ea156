"""Wires what people record and find again: entries, search, insights, streams. A part of the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.http.later import include_later
from shared.retrieval import Retriever

from api.entries.service import EntryService
from api.http.following import Following
from api.insights.service import InsightsService
from api.search.service import SearchService
from api.streams.service import StreamService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database
    from shared.llm import Embedder
    from shared.outbox import Relay
    from shared.streams import StreamHub
    from shared.text.morphology import Morphology
    from shared.vectors import VectorIndex

    from api.http.services import ServiceRegistry

Job = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Memory:
    """What the composition root hands on: `retriever` to whoever answers from memory, `sweeps` to be called each minute."""

    retriever: Retriever
    sweeps: tuple[Job, ...]


def add_memory(
    app: FastAPI,
    services: ServiceRegistry,
    database: Database,
    relay: Relay,
    hub: StreamHub,
    vectors: VectorIndex,
    embedder: Embedder | None,
    morphology: Morphology | None,
) -> Memory:
    """Add the routes and their services; nothing is opened."""
    retriever = Retriever(database, vectors, embedder=embedder, morphology=morphology)
    streams = StreamService(database, hub)
    services.add(EntryService(database, relay))
    services.add(SearchService(retriever))
    services.add(InsightsService(database))
    services.add(Following(database, hub))
    services.add(streams)
    for slice_ in ("entries", "search", "insights", "streams"):
        include_later(app, f"api.{slice_}.routes")
    return Memory(retriever, (streams.end_abandoned,))
