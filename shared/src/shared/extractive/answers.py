"""Answers made of the passages' own sentences, or a refusal where they hold too little evidence.

Evidence is the share of the question's telling words that one passage holds: words weigh by how few of the passages
hold them, a question's grammar weighs nothing, and a word that names an emotion is met by any word of that emotion.
The thresholds were fitted to the journal set in `shared.evaluation.data`; there 75 % (English) and 80 % (Korean) of the
questions that have an answer are answered, and none of those that have none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.extractive.emotions import emotions
from shared.extractive.lexicon import words
from shared.text.sentences import sentences
from shared.text.tokenise import MORPHEME_PREFIX, has_hangul, stem, terms

if TYPE_CHECKING:
    from shared.text.morphology import Morphology

ENOUGH_WORDS = 0.42
ENOUGH_MORPHEMES = 0.5
ENOUGH_BIGRAMS = 0.3
_FEELING = "feeling:"
_CONTEXT, _PASSAGE, _RANK = 0.5, 0.8, 0.02
_WORTH_ADDING = 0.5


@dataclass(frozen=True, slots=True)
class Passage:
    """What was found for a question, best first; the title is evidence but is never quoted."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """A sentence of a passage: passages[passage].text[start:end] == text."""

    passage: int
    start: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class ExtractiveAnswer:
    """Sentences that answer, best first; none where the evidence was too weak."""

    extracts: list[Extract]
    evidence: float

    @property
    def refused(self) -> bool:
        """Whether nothing in the passages answers the question."""
        return not self.extracts


def answer(
    question: str, passages: Sequence[Passage], *, morphology: Morphology | None = None, most: int = 3
) -> ExtractiveAnswer:
    """The best sentences for a question, at most `most`, each from where it stands."""
    asked = _telling(question, morphology)
    if not asked or not passages:
        return ExtractiveAnswer([], 0.0)
    held = [_telling(f"{passage.title}\n{passage.text}", morphology) for passage in passages]
    weights = _weights(asked, held)
    covered = [_share(asked & terms_held, weights) for terms_held in held]
    evidence = max(covered)
    threshold = _enough(question, morphology)
    if evidence < threshold:
        return ExtractiveAnswer([], round(evidence, 3))
    extracts = _best(asked, passages, covered, weights, morphology, threshold)[:most]
    return ExtractiveAnswer(extracts, round(evidence, 3))


def _enough(question: str, morphology: Morphology | None) -> float:
    """A Korean word counts in full as morphemes, but never in all of its bigrams."""
    if not has_hangul(question):
        return ENOUGH_WORDS
    return ENOUGH_MORPHEMES if morphology is not None else ENOUGH_BIGRAMS


def _best(
    asked: frozenset[str],
    passages: Sequence[Passage],
    covered: Sequence[float],
    weights: dict[str, float],
    morphology: Morphology | None,
    threshold: float,
) -> list[Extract]:
    """Sentences by how much of the question they hold, then by their passage's share and place in the ranking."""
    candidates = []
    for number, passage in enumerate(passages):
        if covered[number] < threshold:
            continue
        spans = sentences(passage.text)
        shares = [_share(asked & _telling(passage.text[start:end], morphology), weights) for start, end in spans]
        for place, (start, end) in enumerate(spans):
            beside = max(shares[max(0, place - 1) : place] + shares[place + 1 : place + 2], default=0.0)
            score = shares[place] + _CONTEXT * beside + _PASSAGE * covered[number] - _RANK * number
            candidates.append(Extract(number, start, end, passage.text[start:end], round(score, 4)))
    candidates.sort(key=lambda extract: (-extract.score, extract.passage, extract.start))
    return [extract for extract in candidates if extract.score >= _WORTH_ADDING * candidates[0].score]


def _telling(text: str, morphology: Morphology | None) -> frozenset[str]:
    """Terms without those of any question, and the emotions that the text shows.

    With an analyser a Korean word is its morphemes; without, its bigrams.
    """
    found = set(terms(text, morphology=morphology))
    if morphology is not None and any(term.startswith(MORPHEME_PREFIX) for term in found):
        found = {term for term in found if term.startswith(MORPHEME_PREFIX) or term.isascii()}
        found -= {term for term in found if term.isascii() and MORPHEME_PREFIX + term in found}
    found -= _grammar()
    return frozenset(found | {_FEELING + emotion.label for emotion in emotions(text)})


def _weights(asked: Iterable[str], held: Sequence[frozenset[str]]) -> dict[str, float]:
    """Rare among the passages weighs more; what none of them holds weighs most, since it is what is missing."""
    spread = Counter(term for terms_held in held for term in terms_held)
    return {term: math.log(1 + (len(held) + 1) / (spread[term] + 1)) + 0.3 for term in asked}


def _share(matched: Iterable[str], weights: dict[str, float]) -> float:
    return sum(weights[term] for term in matched) / sum(weights.values())


@lru_cache(maxsize=1)
def _grammar() -> frozenset[str]:
    english = words("question_words.txt", "english")
    korean = words("question_words.txt", "korean")
    morphemes = {MORPHEME_PREFIX + word for word in words("question_words.txt", "korean_morphemes")}
    bigrams = {word[i : i + 2] for word in korean for i in range(max(1, len(word) - 1))}
    return frozenset({stem(word) for word in english} | english | bigrams | morphemes)
