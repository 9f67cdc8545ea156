"""Summaries made of the text's own sentences, chosen by LexRank.

A short note is its own summary. sumy is imported at the first longer text: it brings NumPy, and its tokeniser would
download a corpus, so it gets ours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from shared.text.sentences import sentences
from shared.text.tokenise import terms

MOST_CHARACTERS = 300
_SHORT = 80
_MOST_SENTENCES = 60
_LONGEST_SENTENCE = 400


def summarise(text: str, *, sentence_count: int = 2) -> str:
    """At most `sentence_count` sentences of the text, in its order."""
    spans = sentences(text)
    listed = [" ".join(text[start:end].split()) for start, end in spans]
    whole = " ".join(listed)
    if len(listed) <= sentence_count or len(whole) <= _SHORT:
        return _clipped(whole)
    return _clipped(" ".join(_central(_spread(listed), sentence_count)))


def _spread(listed: list[str]) -> list[str]:
    """Sentences from the whole of a long text, its first ones always, since comparing all pairs grows quadratically."""
    short = [sentence for sentence in listed if len(sentence) <= _LONGEST_SENTENCE] or [listed[0][:_LONGEST_SENTENCE]]
    # One without a word is like none of the others, and where all are, LexRank divides by nought.
    usable = [sentence for sentence in short if terms(sentence, morphology=None)] or short[:1]
    if len(usable) <= _MOST_SENTENCES:
        return usable
    step = len(usable) / _MOST_SENTENCES
    return [usable[int(position * step)] for position in range(_MOST_SENTENCES)]


def _central(listed: list[str], count: int) -> list[str]:
    if len(listed) <= count:
        return listed
    summariser, dom = _sumy()
    tokeniser = _Terms()
    document = dom.ObjectDocumentModel([dom.Paragraph([dom.Sentence(sentence, tokeniser) for sentence in listed])])
    return [str(sentence) for sentence in summariser(document, count)]


def _clipped(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    cut = text.rfind(" ", MOST_CHARACTERS // 2, MOST_CHARACTERS)
    return text[: cut if cut > 0 else MOST_CHARACTERS].rstrip() + "…"


class _Terms:
    """Our tokeniser as sumy calls it."""

    def to_words(self, sentence: str) -> tuple[str, ...]:
        return tuple(terms(sentence, morphology=None))


@lru_cache(maxsize=1)
def _sumy() -> tuple[Any, Any]:
    from sumy.models import dom
    from sumy.summarizers.lex_rank import LexRankSummarizer

    return LexRankSummarizer(), dom
