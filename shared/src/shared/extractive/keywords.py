"""What a text is about: Korean nouns by kiwi; English words by YAKE, or by count where a text is too short for it."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.extractive.emotions import emotions
from shared.extractive.lexicon import words
from shared.text.tokenise import STOP_WORDS, has_hangul, normalise, stem

if TYPE_CHECKING:
    from shared.text.morphology import Morpheme, Morphology

_NOUNS = frozenset({"NNG", "NNP"})
_ENGLISH = re.compile(r"[a-z][a-z'’-]{2,}")
_EOJEOL = re.compile(r"[가-힣]{2,}")
_PARTICLES = re.compile(
    r"(?:에서는|에서도|으로는|이랑은|에서|에게|한테|께서|으로|까지|부터|처럼|보다|이랑|하고|이나|라도|은|는|이|가|을|를|의|에|와|과|도|로|만|랑)$"
)
_LONGEST_ANALYSED = 20_000
_SHORT = 80


def keywords(text: str, *, morphology: Morphology | None = None, most: int = 5) -> list[str]:
    """Up to `most` lower-case topics, the most telling first; both languages of a mixed text have a share."""
    normal = normalise(text[:_LONGEST_ANALYSED])
    korean, english = _korean(normal, morphology), _english(normal)
    if not korean or not english:
        return (korean or english)[:most]
    share = round(most * len(_EOJEOL.findall(normal)) / max(1, len(normal.split())))
    kept = korean[: max(1, min(most - 1, share))]
    return kept + english[: most - len(kept)]


def _korean(normal: str, morphology: Morphology | None) -> list[str]:
    if not has_hangul(normal):
        return []
    found = _nouns(morphology.morphemes(normal)) if morphology else _without_particles(normal)
    common = words("common_words.txt", "korean")
    counts = Counter(noun for noun in found if len(noun) > 1 and noun not in common and not emotions(noun))
    return [noun for noun, _ in counts.most_common()]


def _nouns(morphemes: list[Morpheme]) -> list[str]:
    """Nouns, those that touch joined to one: "두발" + "자전거"."""
    found: list[str] = []
    end = -1
    for morpheme in morphemes:
        if morpheme.tag not in _NOUNS:
            end = -1
        elif morpheme.start == end:
            found[-1] += morpheme.form
            end = morpheme.start + morpheme.length
        else:
            found.append(morpheme.form)
            end = morpheme.start + morpheme.length
    return found


def _without_particles(normal: str) -> list[str]:
    """Where no analyser is at hand: words that end in a particle are nouns, mostly."""
    stripped = ((eojeol, _PARTICLES.sub("", eojeol)) for eojeol in _EOJEOL.findall(normal))
    return [noun for eojeol, noun in stripped if noun != eojeol]


def _english(normal: str) -> list[str]:
    found = _ENGLISH.findall(normal)
    common = words("common_words.txt", "english")
    ranked = _by_yake(found) if len(found) > _SHORT else _by_count(found)
    kept: dict[str, str] = {}
    for word in ranked:
        if word not in common and not emotions(word):
            kept.setdefault(stem(word), word)
    return list(kept.values())


def _by_count(found: list[str]) -> list[str]:
    """In a few sentences nothing but repetition and order tells words apart."""
    telling = [word for word in found if word not in STOP_WORDS]
    counts = Counter(map(stem, telling))
    return sorted(telling, key=lambda word: -counts[stem(word)])


def _by_yake(found: list[str]) -> list[str]:
    scored = sorted(_yake().extract_keywords(" ".join(found)), key=lambda pair: pair[1])
    return [str(word) for word, _ in scored if len(word) > 2]


@lru_cache(maxsize=1)
def _yake() -> Any:
    from yake import KeywordExtractor

    return KeywordExtractor(lan="en", n=1, top=20)
