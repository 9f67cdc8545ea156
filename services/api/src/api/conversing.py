"""Wires conversations. A part of the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from shared.http.later import include_later

from api.conversations import abandoned
from api.conversations.answering import Answerer
from api.conversations.asking import AskingService
from api.conversations.producers import Producers
from api.conversations.service import ConversationService

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.db import Database
    from shared.llm import LanguageModel
    from shared.outbox import Relay
    from shared.retrieval import Retriever
    from shared.streams import StreamHub
    from shared.text.morphology import Morphology

    from api.http.services import ServiceRegistry

Job = Callable[[], Awaitable[object]]

# The server has let open requests go on for eight of the ten seconds between SIGTERM and SIGKILL before this begins.
_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class Conversing:
    """What the composition root still has to call: `sweeps` each minute (before any that ends streams of every kind), `close` at the end."""

    sweeps: tuple[Job, ...]
    close: Job


# Up to here every word is handed on as it comes.
_FEW_STREAMS = 8
_LONGEST_GATHERING_S = 0.12


def add_conversations(
    app: FastAPI,
    services: ServiceRegistry,
    database: Database,
    relay: Relay,
    hub: StreamHub,
    retriever: Retriever,
    language_model: LanguageModel | None,
    morphology: Morphology | None,
) -> Conversing:
    """Add the routes and their services; nothing is opened."""
    producers = Producers()
    answerer = Answerer(database, retriever, language_model, morphology, partial(_pace, hub))
    services.add(ConversationService(database, hub))
    services.add(AskingService(database, hub, relay, answerer, producers))
    include_later(app, "api.conversations.routes")
    sweeps = (partial(abandoned.end_all, database, hub), partial(abandoned.forget_old, database))
    return Conversing(sweeps, partial(producers.stop, _GRACE_S))


def _pace(hub: StreamHub) -> float:
    """For how long words are gathered: the more answers at once, the longer, so that a new one's first word does not wait for others' later ones."""
    return 0.0 if hub.active <= _FEW_STREAMS else min(_LONGEST_GATHERING_S, 0.001 * hub.active)
