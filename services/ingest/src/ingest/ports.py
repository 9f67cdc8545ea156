"""What the work needs of the outside, handed over by the composition root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.db import Database
    from shared.llm import Embedder, Models
    from shared.outbox import Relay
    from shared.storage import ObjectStore
    from shared.streams import StreamHub
    from shared.text.morphology import Morphology
    from shared.vectors import VectorIndex

    from ingest.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Ports:
    """Each is a port with adapters; tests hand over fakes that mirror them."""

    database: Database
    vectors: VectorIndex
    storage: ObjectStore
    models: Models
    morphology: Morphology
    sandbox: Sandbox
    hub: StreamHub
    relay: Relay

    @property
    def embedder(self) -> Embedder | None:
        """The embedding model, where the index has room for its vectors."""
        return self.models.embedder if self.vectors.dense is not None else None
