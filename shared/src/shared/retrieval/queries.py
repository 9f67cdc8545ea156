"""Embeddings of questions: asked again and again while somebody types or follows up."""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.llm import Embedder

_KEPT = 256
_TIMEOUT_S = 4.0

log = logging.getLogger(__name__)


class QueryEmbedder:
    """Embeds one question within four seconds, or not at all: a search without meaning is better than none."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._kept: OrderedDict[str, array[float]] = OrderedDict()

    async def embed(self, query: str) -> list[float] | None:
        """The vector, or None where the model does not answer in time."""
        if (known := self._kept.get(query)) is not None:
            self._kept.move_to_end(query)
            return known.tolist()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                [vector] = await self._embedder.embed([query])
        except Exception:
            log.warning("a query could not be embedded; searching by words alone", exc_info=True)
            return None
        self._kept[query] = array("f", vector)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return vector
