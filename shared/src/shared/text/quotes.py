"""Finding a quote in the passage it claims to come from, exactly and never nearly.

A quote matches when its letters and digits, after NFKC and lower case, stand in the passage in the same order with
nothing between them but spaces and punctuation. A fuzzy match would accept a quote in which one digit was changed.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Letters:
    """Letters and digits of a text with the position each came from."""

    text: str
    positions: list[int]


def locate(quote: str, passage: str) -> tuple[int, int] | None:
    """Where the quote stands in the passage as code-point offsets, or None; white space around it is not included."""
    wanted = _letters(quote).text
    if not wanted:
        return None
    source = _letters(passage)
    found = _whole(source, wanted, passage)
    if found is None:
        return None
    return source.positions[found], source.positions[found + len(wanted) - 1] + 1


def _whole(source: _Letters, wanted: str, passage: str) -> int | None:
    """The first match that does not begin or end inside a number: "12" is no quote from "2012", nor "3" from "3.5"."""
    found = source.text.find(wanted)
    while found >= 0:
        if not any(_splits_number(source, at, passage) for at in (found, found + len(wanted))):
            return found
        found = source.text.find(wanted, found + 1)
    return None


def _splits_number(source: _Letters, at: int, passage: str) -> bool:
    if at in {0, len(source.text)} or not (source.text[at].isdigit() and source.text[at - 1].isdigit()):
        return False
    return passage[source.positions[at - 1] + 1 : source.positions[at]] in {"", ".", ","}


def _letters(text: str) -> _Letters:
    kept: list[str] = []
    positions: list[int] = []
    for position, character in enumerate(text):
        for letter in unicodedata.normalize("NFKC", character).lower():
            if letter.isalnum():
                kept.append(letter)
                positions.append(position)
    return _Letters("".join(kept), positions)
