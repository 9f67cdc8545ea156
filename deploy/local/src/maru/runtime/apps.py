"""The services' applications, each built by its own composition root, sharing the engines that only one process may own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI
    from shared.outbox import Relay
    from shared.streams import StreamHub
    from shared.text.morphology import Morphology
    from shared.vectors import VectorIndex


@dataclass(frozen=True, slots=True)
class SharedEngines:
    """What the services of one process have in common."""

    hub: StreamHub
    relay: Relay | None
    vectors: VectorIndex
    morphology: Morphology


def build_apps(env: Mapping[str, str], engines: SharedEngines) -> dict[str, FastAPI]:
    """All services, in the order in which they start: who is called before who calls."""
    from api import main as api
    from inference import main as inference
    from ingest import main as ingest

    return {
        "ingest": ingest.build_app(
            env,
            ingest.Engines(
                hub=engines.hub, relay=engines.relay, vectors=engines.vectors, morphology=engines.morphology
            ),
        ),
        "inference": inference.build_app(env, inference.Engines(hub=engines.hub, relay=engines.relay)),
        "api": api.build_app(
            env,
            api.Engines(hub=engines.hub, relay=engines.relay, vectors=engines.vectors, morphology=engines.morphology),
        ),
    }
