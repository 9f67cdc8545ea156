"""Texts to measure with, from the journal that ships: Korean and English, as people write."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import cycle, islice


def _documents() -> list[str]:
    raw = files("shared.evaluation").joinpath("data/journal_ko_en/docs.jsonl").read_text()
    return [json.loads(line)["text"] for line in raw.splitlines() if line]


def short_notes(number: int) -> list[str]:
    """Notes of a journal, each made unique by a number at its end."""
    return [f"{text} ({count})" for count, text in enumerate(islice(cycle(_documents()), number))]


def long_documents(number: int, characters: int) -> list[str]:
    """Documents of paragraphs, each paragraph a note."""
    notes = cycle(_documents())
    documents = []
    for _ in range(number):
        paragraphs: list[str] = []
        while sum(map(len, paragraphs)) < characters:
            paragraphs.append(" ".join(islice(notes, 2)))
        documents.append("\n\n".join(paragraphs))
    return documents
