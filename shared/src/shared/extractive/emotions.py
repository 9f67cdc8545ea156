"""Emotions by words that name or show them, in Korean and English.

Each word adds to its emotion; a word that strengthens it adds more, and a denied word adds nothing to it but half to
its opposite where there is one: "not happy" is a little sad, "걱정하지 않았다" a little calm.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

from shared.contracts import memory
from shared.extractive.lexicon import groups
from shared.text.tokenise import stem

EMOTIONS: tuple[str, ...] = get_args(memory.Emotion)
_OPPOSITE = {
    "joy": "sadness",
    "calm": "worry",
    "worry": "calm",
    "fear": "calm",
    "hope": "sadness",
    "sadness": "calm",
    "loneliness": "calm",
    "tiredness": "calm",
}
_MOST = 4
_STRENGTH = 1.5

_KOREAN_STRONG = re.compile(r"(?:너무나?|정말로?|진짜|매우|아주|무척|몹시|굉장히|엄청|참|더없이)\s+(?:\S+\s+)?$")
_KOREAN_DENIED_BEFORE = re.compile(r"(?:^|\s)(?:(?:안|못)\s+|(?:별로|전혀|하나도)\s+(?:\S+\s+)?)$")
_KOREAN_DENIED_AFTER = re.compile(
    r"^[가-힣]*(?:지(?:는|도|가|를)?|진|질)\s*(?:않|못|마|말)|^[가-힣]*\s*(?:없|안\s|아니)"
)
_ENGLISH_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")
_ENGLISH_STRONG = frozenset({"very", "so", "really", "extremely", "incredibly", "deeply", "truly", "too", "totally"})
_ENGLISH_DENIED = frozenset(
    {"not", "never", "no", "without", "hardly", "neither", "nor", "cannot", "nothing", "isnt", "wasnt"}
)
_DENIAL_REACH = 3


@dataclass(frozen=True, slots=True)
class Emotion:
    """A label from EMOTIONS and how strongly the text shows it, above 0 and below 1."""

    label: str
    score: float


def emotions(text: str) -> list[Emotion]:
    """The emotions a text shows, strongest first, at most four; none where no word shows any."""
    normal = unicodedata.normalize("NFKC", text).lower()
    weights = dict.fromkeys(EMOTIONS, 0.0)
    for label, weight in [*_korean(normal), *_english(normal)]:
        weights[label] += weight
    shown = [Emotion(label, round(1 - 0.5**weight, 3)) for label, weight in weights.items() if weight > 0]
    return sorted(shown, key=lambda emotion: (-emotion.score, EMOTIONS.index(emotion.label)))[:_MOST]


def _counted(label: str, *, denied: bool, strong: bool) -> tuple[str, float] | None:
    if denied:
        opposite = _OPPOSITE.get(label)
        return (opposite, 0.5) if opposite else None
    return label, _STRENGTH if strong else 1.0


def _korean(text: str) -> list[tuple[str, float]]:
    pattern, label_of = _korean_pattern()
    found = []
    for match in pattern.finditer(text):
        before = text[max(0, match.start() - 16) : match.start()]
        after = text[match.end() : match.end() + 16]
        denied = bool(_KOREAN_DENIED_BEFORE.search(before) or _KOREAN_DENIED_AFTER.search(after))
        strong = bool(_KOREAN_STRONG.search(before))
        found.append(_counted(label_of[match.group(1)], denied=denied, strong=strong))
    return [counted for counted in found if counted]


def _english(text: str) -> list[tuple[str, float]]:
    stems, phrases = _english_words()
    tokens = [token.replace("’", "'") for token in _ENGLISH_WORD.findall(text)]
    found = []
    for position, token in enumerate(tokens):
        label = _phrase_at(tokens, position, phrases) or stems.get(stem(token.removesuffix("'s")))
        if label:
            before = tokens[max(0, position - _DENIAL_REACH) : position]
            denied = any(word in _ENGLISH_DENIED or word.endswith("n't") for word in before)
            strong = bool(before) and before[-1] in _ENGLISH_STRONG
            found.append(_counted(label, denied=denied, strong=strong))
    return [counted for counted in found if counted]


def _phrase_at(tokens: list[str], position: int, phrases: dict[tuple[str, ...], str]) -> str | None:
    for length in (3, 2):
        label = phrases.get(tuple(tokens[position : position + length]))
        if label:
            return label
    return None


@lru_cache(maxsize=1)
def _korean_pattern() -> tuple[re.Pattern[str], dict[str, str]]:
    label_of = {begin: label for label, begins in groups("emotions_ko.txt").items() for begin in begins}
    longest_first = sorted(label_of, key=len, reverse=True)
    return re.compile(r"(?<![가-힣])(" + "|".join(map(re.escape, longest_first)) + ")"), label_of


@lru_cache(maxsize=1)
def _english_words() -> tuple[dict[str, str], dict[tuple[str, ...], str]]:
    stems: dict[str, str] = {}
    phrases: dict[tuple[str, ...], str] = {}
    for label, listed in groups("emotions_en.txt").items():
        for entry in listed:
            parts = tuple(entry.split())
            if len(parts) > 1:
                phrases[parts] = label
            else:
                stems[stem(entry)] = label
    return stems, phrases
