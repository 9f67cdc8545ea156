"""A folder with `docs.jsonl`, `queries.jsonl` and `qrels.tsv` as a data set.

A document is `{id, title, text, lang?, occurred_at?}`. A question is `{id, text, lang?, answerable?, gold?}`, where gold
lists `{doc, text}`: stretches of documents that hold the answer. A judgement is a line `question TAB document TAB grade`.
A question without a judgement is left out, unless it says `"answerable": false`: then nothing should be found for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

SHIPPED = "journal_ko_en"


class DatasetBroken(ValueError):
    """A file of a data set is missing or cannot be read; the message says which line."""


@dataclass(frozen=True, slots=True)
class Document:
    """Something that may be found."""

    id: str
    title: str
    text: str
    lang: str
    occurred_at: str | None = None


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """A stretch of a document that holds the answer."""

    document: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something that is asked, and whether the documents answer it."""

    id: str
    text: str
    lang: str
    answerable: bool = True
    gold: tuple[GoldSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Documents, questions, and how well each document answers each question."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]
    relevant: dict[str, dict[str, int]]


def load_dataset(folder: Path) -> Dataset:
    """Read a folder; raises DatasetBroken."""
    lang = _language(folder)
    documents = tuple(_document(row, lang) for row in _rows(folder / "docs.jsonl"))
    relevant = _judgements(folder / "qrels.tsv")
    questions = [_question(row, lang) for row in _rows(folder / "queries.jsonl")]
    kept = tuple(question for question in questions if question.id in relevant or not question.answerable)
    if not documents or not kept:
        raise DatasetBroken(f"{folder} has no documents, or no question with a judgement")
    return Dataset(folder.name, documents, kept, relevant)


def shipped_dataset() -> Dataset:
    """The journal entries and questions that ship with the product."""
    return load_dataset(Path(str(files("shared.evaluation").joinpath("data", SHIPPED))))


def _language(folder: Path) -> str:
    meta = folder / "meta.json"
    if not meta.exists():
        return ""
    try:
        described = json.loads(meta.read_text(encoding="utf-8-sig"))
        return str(described.get("lang") or "")
    except (OSError, ValueError, AttributeError) as broken:
        raise DatasetBroken(f"{meta}: is not a JSON object ({broken})") from broken


def _document(row: dict[str, Any], lang: str) -> Document:
    return Document(
        str(row["id"]), str(row.get("title") or ""), row["text"], str(row.get("lang") or lang), row.get("occurred_at")
    )


def _question(row: dict[str, Any], lang: str) -> Question:
    try:
        gold = tuple(GoldSpan(str(span["doc"]), str(span["text"])) for span in row.get("gold") or ())
    except (KeyError, TypeError) as broken:
        raise DatasetBroken(f"question {row['id']}: gold needs a list of objects with doc and text") from broken
    return Question(str(row["id"]), row["text"], str(row.get("lang") or lang), row.get("answerable") is not False, gold)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError as broken:
            raise DatasetBroken(f"{path}, line {number}: is not JSON ({broken})") from broken
        if not isinstance(row, dict) or "id" not in row or not isinstance(row.get("text"), str):
            raise DatasetBroken(f"{path}, line {number}: needs an object with id and text")
        yield row


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    relevant: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        try:
            question, document, grade = line.split("\t")
            score = int(grade)
        except ValueError as broken:
            raise DatasetBroken(
                f"{path}, line {number}: needs question, document and a whole number, by tabs"
            ) from broken
        if score > 0:
            relevant.setdefault(question, {})[document] = score
    return relevant


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as broken:
        raise DatasetBroken(f"{path} cannot be read: {broken}") from broken
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r")
