"""Sentence and paragraph spans of Korean and English text, as code-point offsets; rules only, no model."""

from __future__ import annotations

import re

from shared.text.words import word_set

Span = tuple[int, int]

_PARAGRAPH_BREAK = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")
# Each run is tried once and as a whole, so that a text of dots or of blank lines costs no more than any other.
_BOUNDARY = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’」』)\]]*+(?=\s|$)|[。！？]++[\"'”’」』)\]]*+|\n\s*+")
_LAST_WORD = re.compile(r"(\S+)$")
_ABBREVIATIONS = word_set("mr mrs ms dr prof st jr sr vs e.g i.e cf approx dept est jan feb apr aug sept oct nov dec")
_BEFORE_NUMBERS = word_set("no nos vol fig figs p pp ch sec eq")
_TERMINAL = frozenset(".!?…。！？:;\"'”’」』)]")
_FINAL_ENDINGS = ("다", "요", "음", "함", "죠", "네", "까", "지", "임", "듯", "ㅋ", "ㅎ", "ㅠ", "ㅜ")
_WRAPPED_LINE = 30


def paragraphs(text: str) -> list[Span]:
    """Spans between blank lines, without surrounding white space."""
    spans = []
    start = 0
    for gap in _PARAGRAPH_BREAK.finditer(text):
        spans.append((start, gap.start()))
        start = gap.end()
    spans.append((start, len(text)))
    return [span for span in (trimmed(text, *span) for span in spans) if span[0] < span[1]]


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Spans of the sentences in text[start:end]; together they hold every character that is not white space."""
    end = len(text) if end is None else end
    spans = []
    begin = start
    for mark in _BOUNDARY.finditer(text, start, end):
        if _ends_sentence(text, mark, begin, end):
            spans.append((begin, mark.end()))
            begin = mark.end()
    spans.append((begin, end))
    return [span for span in (trimmed(text, *span) for span in spans) if span[0] < span[1]]


def trimmed(text: str, start: int, end: int) -> Span:
    """The span without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _ends_sentence(text: str, mark: re.Match[str], begin: int, end: int) -> bool:
    following = _next_visible(text, mark.end(), end)
    if mark.group()[0] == "\n":
        return mark.group().count("\n") > 1 or not _wraps(text, begin, mark.start(), following)
    if mark.group()[0] != "." or len(mark.group()) > 1:
        return True
    dot = mark.start()
    return not (_is_abbreviation(text, begin, dot, following) or _continues(text[dot - 1 : dot], following))


def _is_abbreviation(text: str, begin: int, dot: int, following: str) -> bool:
    last = _LAST_WORD.search(text, max(begin, dot - 12), dot)
    if last is None:
        return False
    word = last.group(1).strip("(\"'“‘").rstrip(".")
    if word.lower() in _BEFORE_NUMBERS:
        return following.isdigit()
    return word.lower() in _ABBREVIATIONS or (len(word) == 1 and word != "I" and word.isascii() and word.isupper())


def _continues(before: str, following: str) -> bool:
    """Whether "2026. 3. 14." or "approx. five" goes on after the dot."""
    return (before.isdigit() and following.isdigit()) or (following.isascii() and following.islower())


def _wraps(text: str, begin: int, newline: int, following: str) -> bool:
    """Whether a line break sits inside a sentence, as in text taken from a PDF."""
    line_start = max(begin, text.rfind("\n", begin, newline) + 1)
    line = text[line_start:newline].rstrip()
    if len(line) < _WRAPPED_LINE or line[-1] in _TERMINAL:
        return False
    if following.isascii():
        return following.islower()
    return "가" <= following <= "힣" and not line.endswith(_FINAL_ENDINGS)


def _next_visible(text: str, position: int, end: int) -> str:
    while position < end and text[position].isspace():
        position += 1
    return text[position : position + 1] if position < end else ""
