"""Reads a model's answer as it arrives: plain text, citations, refusal. Pure; any way of cutting up the same text gives the same result.

The model writes `claim [2: "words copied from passage 2"]`. Readers are shown the claim and a number; the quote is for checking. What a model must
not be able to make is defused: links, images and HTML, because a hidden instruction in a passage could use them to carry a secret away.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_LONGEST_MARK = 900
_LONGEST_LINK = 2000

_OPEN, _CLOSE = "\"“”„'‘’「『«", "\"“”'’」』»"
_NEXT_NUMBER = r"(?=\s{0,2}\d{1,3}\s{0,2}[:：,;\]])"
_MARK = re.compile(
    rf"\[\s{{0,2}}(?P<n>\d{{1,3}})\s{{0,2}}(?:[:：]\s{{0,2}}[{_OPEN}](?P<quote>.{{0,800}}?)[{_CLOSE}]\s{{0,2}})?(?:(?P<end>\])|[,;]{_NEXT_NUMBER})",
    re.DOTALL,
)
_MARK_BEGUN = re.compile(
    rf"\[\s{{0,2}}(?:(?P<n>\d{{1,3}})\s{{0,2}}(?:[,;][\s\d]{{0,7}}|[:：]\s{{0,2}}(?:[{_OPEN}](?P<quote>.*))?)?)?\Z",
    re.DOTALL,
)
_NONE = re.compile(r"\[\s{0,2}none\s{0,2}\]", re.IGNORECASE)
_NONE_BEGUN = re.compile(r"\[\s{0,2}(?:n|no|non|none\s{0,2})\Z", re.IGNORECASE)
_SPECIAL = re.compile(r"\[|https?://|www\.|://", re.IGNORECASE)
_LINK = re.compile(r"[^\s<>\"'`)\]}」』，、。]*")
_LINK_PUNCTUATION = ".,;:!?"
_SPECIAL_BEGUN = tuple(
    sorted(
        {word[:length] for word in ("http://", "https://", "www.", "://") for length in range(1, len(word))},
        key=len,
        reverse=True,
    )
)


@dataclass(frozen=True, slots=True)
class Said:
    """Text to show; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation mark: the passage's number as the model gave it, and the words it claims to have copied (None when it gave none)."""

    n: int
    quote: str | None


@dataclass(frozen=True, slots=True)
class NothingFound:
    """The model says that the passages do not hold the answer."""


Piece = Said | Cited | NothingFound


class AnswerReader:
    """Feed it what arrives, then `finish`. `links` are the URLs that stand in the passages; every other one becomes `removed`."""

    def __init__(self, links: Collection[str] = (), removed: str = "(link removed)") -> None:
        self._rest = ""
        self._links = links
        self._removed = removed
        self._last = ""

    def feed(self, text: str) -> list[Piece]:
        """What can be told so far; an unfinished mark or link waits for more."""
        self._rest += text
        return self._read(final=False)

    def finish(self) -> list[Piece]:
        """What was still waiting. A mark that was cut off keeps the quote it has, and one without a quote is dropped."""
        return self._read(final=True)

    def _read(self, *, final: bool) -> list[Piece]:
        pieces: list[Piece] = []
        while self._rest:
            found = _SPECIAL.search(self._rest)
            start = found.start() if found else len(self._rest) - (0 if final else _held_back(self._rest))
            self._say(pieces, self._rest[:start])
            self._rest = self._rest[start:]
            if found is None:
                break
            taken = (
                self._take_mark(pieces, final)
                if found.group() == "["
                else self._take_link(pieces, found.group(), final)
            )
            if not taken:
                break
        return pieces

    def _take_mark(self, pieces: list[Piece], final: bool) -> bool:
        """Consume the mark (or mere bracket) at the beginning; False when more text has to come first."""
        window = self._rest[:_LONGEST_MARK]
        if mark := _MARK.match(window):
            pieces.append(Cited(int(mark["n"]), mark["quote"]))
            self._last = "]"
            # `[1: "…"; 2: "…"]` is read as one mark after the other.
            self._rest = self._rest[mark.end() :] if mark["end"] else "[" + self._rest[mark.end() :].lstrip()
        elif nothing := _NONE.match(window):
            pieces.append(NothingFound())
            self._rest = self._rest[nothing.end() :]
        elif (begun := _MARK_BEGUN.match(window)) and begun["n"]:
            if not final and len(self._rest) < _LONGEST_MARK:
                return False
            if begun["quote"]:
                pieces.append(Cited(int(begun["n"]), begun["quote"]))
                self._last = "]"
            self._rest = self._rest[len(window) :]
        elif not final and (begun or _NONE_BEGUN.match(window)):
            return False
        else:
            self._say(pieces, "[")
            self._rest = self._rest[1:]
        return True

    def _take_link(self, pieces: list[Piece], scheme: str, final: bool) -> bool:
        body = _LINK.match(self._rest, len(scheme))
        end = min(body.end(), _LONGEST_LINK) if body else len(scheme)
        if end == len(self._rest) and end < _LONGEST_LINK and not final:
            return False
        link = self._rest[:end].rstrip(_LINK_PUNCTUATION)
        self._say(pieces, link if link in self._links else self._removed)
        self._rest = self._rest[max(len(link), len(scheme)) :]
        return True

    def _say(self, pieces: list[Piece], text: str) -> None:
        """Add text in which nothing is left of Markdown links (`](`, `]:`) and HTML (`<img`)."""
        if not text:
            return
        shown = []
        for character in text:
            if (self._last == "]" and character in "(:") or (
                self._last == "<" and (character.isalpha() or character in "/!?")
            ):
                shown.append(" ")
            shown.append(character)
            self._last = character
        safe = "".join(shown)
        if pieces and isinstance(pieces[-1], Said):
            pieces[-1] = Said(pieces[-1].text + safe)
        else:
            pieces.append(Said(safe))


def links_in(text: str) -> set[str]:
    """The URLs that stand in a text, as `AnswerReader` would cut them out."""
    found = set()
    for match in re.finditer(r"(?:https?://|www\.)", text, re.IGNORECASE):
        body = _LINK.match(text, match.end())
        found.add(text[match.start() : body.end() if body else match.end()].rstrip(_LINK_PUNCTUATION))
    return found


def _held_back(text: str) -> int:
    tail = text[-8:].lower()
    return next((len(begun) for begun in _SPECIAL_BEGUN if tail.endswith(begun)), 0)
