"""Korean morphemes through kiwi, loaded on first use because the model costs two seconds and 300 MiB.

Without kiwi's dictionary of names of several words, which would cost another 190 MiB and a longer start: it changed no
figure of the retrieval table.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

_CONTENT_TAGS = frozenset({"NNG", "NNP", "NNB", "NR", "NP", "MM", "MAG", "SL", "SN", "SH", "W_SERIAL"})
_CONTENT_PREFIXES = ("VV", "VA", "XR")
_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class Morpheme:
    """One morpheme with its part of speech and where it stands in the text that was analysed."""

    form: str
    tag: str
    start: int
    length: int

    @property
    def is_content(self) -> bool:
        """Whether it carries meaning of its own: nouns, verbs, adjectives, numbers and foreign words."""
        return self.tag in _CONTENT_TAGS or self.tag.startswith(_CONTENT_PREFIXES)


class Morphology(Protocol):
    """Splits Korean text into morphemes; calling it from several threads at once is safe."""

    @property
    def version(self) -> str: ...

    def morphemes(self, text: str) -> list[Morpheme]: ...


class MorphologyMissing(RuntimeError):
    """The morphological analyser is not installed in this environment."""


class KiwiMorphology:
    """Kiwi behind a lock: the first caller loads the model, callers that come meanwhile wait for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kiwi: Any = None
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._analyse)

    @property
    def version(self) -> str:
        """The installed analyser, to be recorded with what it produced."""
        try:
            return f"kiwi-{version('kiwipiepy')}"
        except PackageNotFoundError as missing:
            raise MorphologyMissing("install the 'morphology' extra to analyse Korean morphemes") from missing

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory already."""
        return self._kiwi is not None

    def load(self) -> None:
        """Load the model now instead of at the first text; a second call does nothing."""
        with self._lock:
            self._load()

    def morphemes(self, text: str) -> list[Morpheme]:
        """Analyse one text; positions are code points of that text.

        The last few texts are remembered, because a note is looked at twice: for its terms and for its topics.
        """
        return list(self._remembered(text))

    def _analyse(self, text: str) -> tuple[Morpheme, ...]:
        with self._lock:
            tokens = self._load().tokenize(text)
        return tuple(Morpheme(token.form, token.tag, token.start, token.len) for token in tokens)

    def _load(self) -> Any:
        if self._kiwi is None:
            try:
                from kiwipiepy import Kiwi
            except ImportError as missing:
                raise MorphologyMissing("install the 'morphology' extra to analyse Korean morphemes") from missing
            self._kiwi = Kiwi(num_workers=1, load_multi_dict=False)
        return self._kiwi


@lru_cache(maxsize=1)
def default_morphology() -> KiwiMorphology:
    """The one analyser of this process: services that share a process share its memory."""
    return KiwiMorphology()
