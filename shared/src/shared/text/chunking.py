"""Chunks of a body: whole sentences packed within paragraphs, without overlap, at exact code-point offsets.

Where a long paragraph is cut is decided by its own sentences, not by how much came before: among the sentence ends
that leave a chunk between half the limit and the limit, the one whose sentence has the smallest checksum. After an
edit the cuts therefore fall back into their old places, and only the chunks that were touched need a new embedding.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.text.sentences import Span, paragraphs, sentences, trimmed

LIMIT = 900


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a body: body[start:end] == text."""

    ordinal: int
    start: int
    end: int
    text: str
    sha256: str


def split(body: str, *, limit: int = LIMIT) -> list[Chunk]:
    """Cut a body into chunks of at most `limit` characters that hold all of it but white space."""
    if limit < 1:
        raise ValueError("a chunk must have room for a character")
    return [_chunk(body, ordinal, span) for ordinal, span in enumerate(_spans(body, limit))]


def prefix(title: str | None, occurred_at: datetime | None) -> str:
    """What is embedded ahead of a chunk so that it can be understood alone; no offset counts it."""
    day = occurred_at.date().isoformat() if occurred_at else ""
    heading = " · ".join(part for part in ((title or "").strip(), day) if part)
    return f"{heading}\n" if heading else ""


def _chunk(body: str, ordinal: int, span: Span) -> Chunk:
    text = body[span[0] : span[1]]
    return Chunk(ordinal, span[0], span[1], text, hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest())


def _spans(body: str, limit: int) -> Iterator[Span]:
    """Short paragraphs share a chunk until it is a third full; long ones are cut."""
    held: Span | None = None
    for start, end in paragraphs(body):
        if held is not None and end - held[0] <= limit:
            held = (held[0], end)
        else:
            if held is not None:
                yield held
            held = (start, end)
        if held[1] - held[0] > limit:
            yield from _pack(body, _pieces(body, *held, limit), limit)
            held = None
        elif held[1] - held[0] >= limit // 3:
            yield held
            held = None
    if held is not None:
        yield held


def _pieces(body: str, start: int, end: int, limit: int) -> list[Span]:
    """Sentences, those that are longer than a chunk cut at white space where there is any."""
    return [piece for sentence in sentences(body, start, end) for piece in _cut(body, *sentence, limit)]


def _cut(body: str, start: int, end: int, limit: int) -> Iterator[Span]:
    while end - start > limit:
        stop = start + limit
        space = max(body.rfind(" ", start + limit // 2, stop), body.rfind("\n", start + limit // 2, stop))
        if space > start:
            stop = space
        yield trimmed(body, start, stop)
        start = trimmed(body, stop, end)[0]
    yield start, end


def _pack(body: str, pieces: list[Span], limit: int) -> Iterator[Span]:
    first = 0
    while first < len(pieces):
        last = _last_of_chunk(body, pieces, first, limit)
        yield pieces[first][0], pieces[last][1]
        first = last + 1


def _last_of_chunk(body: str, pieces: list[Span], first: int, limit: int) -> int:
    start = pieces[first][0]
    fitting = first
    candidates = []
    for position in range(first, len(pieces)):
        length = pieces[position][1] - start
        if length > limit:
            break
        fitting = position
        if length >= limit // 2:
            candidates.append(position)
    if fitting == len(pieces) - 1 or not candidates:
        return fitting
    return min(
        candidates, key=lambda position: zlib.crc32(body[slice(*pieces[position])].encode("utf-8", "surrogatepass"))
    )
