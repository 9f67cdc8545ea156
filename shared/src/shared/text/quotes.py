"""Finding a quote in the passage it claims to come from, exactly and never nearly.

A quote matches when its letters and digits, after NFKC and lower case, stand in the passage in the same order with
nothing between them but spaces and punctuation. Punctuation matters within numbers alone: "3.5" is not "35", while
"1,204" is "1204". A fuzzy match would accept a quote in which one digit was changed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from shared.text.sentences import Span

# Vowels and finals of decomposed Hangul, which continue the syllable before them.
_JAMO = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff]")
_THOUSANDS = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+(?!\d)")


@dataclass(frozen=True, slots=True)
class _Letters:
    """Letters and digits of a text: the stretch each came from, and whether it goes on with the number before it."""

    text: str
    spans: list[Span]
    continues: list[bool]


def locate(quote: str, passage: str) -> tuple[int, int] | None:
    """Where the quote stands in the passage as code-point offsets, or None; white space around it is not included."""
    wanted = _letters(quote)
    if not wanted.text:
        return None
    source = _letters(passage)
    found = _whole(source, wanted, passage)
    if found is None:
        return None
    return source.spans[found][0], source.spans[found + len(wanted.text) - 1][1]


def _whole(source: _Letters, wanted: _Letters, passage: str) -> int | None:
    """The first match whose numbers are those of the quote: "12" is no quote from "2012", nor "3" or "35" from "3.5"."""
    found = source.text.find(wanted.text)
    while found >= 0:
        end = found + len(wanted.text)
        torn = any(_splits_number(source, at, passage) for at in (found, end))
        if not torn and source.continues[found + 1 : end] == wanted.continues[1:]:
            return found
        found = source.text.find(wanted.text, found + 1)
    return None


def _splits_number(source: _Letters, at: int, passage: str) -> bool:
    if at in {0, len(source.text)} or not (source.text[at].isdigit() and source.text[at - 1].isdigit()):
        return False
    return passage[source.spans[at - 1][1] : source.spans[at][0]] in {"", ".", ","}


def _letters(text: str) -> _Letters:
    folded: list[str] = []
    origins: list[Span] = []
    for start, end in _clusters(text):
        for letter in unicodedata.normalize("NFKC", text[start:end]).lower():
            folded.append(letter)
            origins.append((start, end))
    normal = "".join(folded)
    commas = {at for number in _THOUSANDS.finditer(normal) for at in range(*number.span()) if normal[at] == ","}
    places = [place for place, letter in enumerate(normal) if letter.isalnum()]
    continues = [False] * len(places)
    for index in range(1, len(places)):
        before, place = places[index - 1], places[index]
        if normal[before].isdigit() and normal[place].isdigit():
            continues[index] = all(gap in commas for gap in range(before + 1, place))
    return _Letters("".join(normal[place] for place in places), [origins[place] for place in places], continues)


def _clusters(text: str) -> Iterator[Span]:
    """Each character with the marks and the parts of a syllable that follow it: what composes is compared composed."""
    start = 0
    for position in range(1, len(text) + 1):
        if position == len(text) or not _continues_character(text[position]):
            yield start, position
            start = position


def _continues_character(character: str) -> bool:
    if character < "\u0300":
        return False
    return unicodedata.category(character)[0] == "M" or _JAMO.match(character) is not None
