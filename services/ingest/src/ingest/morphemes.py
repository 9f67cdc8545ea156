"""Morphemes of short texts, remembered for the moment: indexing and insights ask for the same ones, and each asking costs milliseconds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.text.morphology import Morpheme, Morphology

_KEPT = 32
_SHORT = 4_000


class RememberingMorphology:
    """A `Morphology` that answers a short text asked for again from memory; safe to call from several threads."""

    def __init__(self, morphology: Morphology) -> None:
        self._morphology = morphology
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, list[Morpheme]] = OrderedDict()

    @property
    def version(self) -> str:
        """The analyser's own."""
        return self._morphology.version

    def morphemes(self, text: str) -> list[Morpheme]:
        """As the analyser behind it; what is handed out is shared and not to be changed."""
        if len(text) > _SHORT:
            return self._morphology.morphemes(text)
        with self._lock:
            if (known := self._kept.get(text)) is not None:
                self._kept.move_to_end(text)
                return known
        found = self._morphology.morphemes(text)
        with self._lock:
            self._kept[text] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found
