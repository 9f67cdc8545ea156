"""How many characters are embedded again after one sentence of a document was edited."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from importlib.util import find_spec

from shared.text.chunking import split

from bench.figure import Figure
from bench.notes import long_documents

_DOCUMENTS = 60
_CHARACTERS = 6000
_GOAL = 0.12
# Measured earlier on other documents; shown only where the libraries are not installed.
_PUBLISHED = {"LlamaIndex SentenceSplitter": 0.27, "LangChain RecursiveCharacterTextSplitter": 0.19}

Splitter = Callable[[str], list[str]]


def measure() -> list[Figure]:
    """The same documents and edits for every splitter that is here."""
    ours = _share(lambda text: [chunk.text for chunk in split(text)])
    figures = [Figure("re-embedded after one edited sentence", ours * 100, "%", "≤ 12 %", ours <= _GOAL)]
    for name, splitter in (
        ("LlamaIndex SentenceSplitter", _llama_index()),
        ("LangChain RecursiveCharacterTextSplitter", _langchain()),
    ):
        floor = _PUBLISHED[name] if splitter is None else _share(splitter)
        note = "published figure, not installed here" if splitter is None else "same documents"
        figures.append(Figure(f"… by {name}", floor * 100, "%", "–", None, "ours", ours * 100, floor / ours, note=note))
    return figures


def _share(splitter: Splitter) -> float:
    chance = random.Random(20_261_121)
    embedded = total = 0
    for document in long_documents(_DOCUMENTS, _CHARACTERS):
        known = set(splitter(document))
        after = splitter(_edited(document, chance))
        embedded += sum(len(chunk) for chunk in after if chunk not in known)
        total += sum(len(chunk) for chunk in after)
    return embedded / total


def _edited(document: str, chance: random.Random) -> str:
    """One sentence somewhere replaced by a longer one."""
    sentences = list(re.finditer(r"[^.!?\n]+[.!?]", document))
    chosen = chance.choice(sentences)
    return document[: chosen.start()] + " 이 문장은 고쳐 썼고, 조금 더 길어졌다." + document[chosen.end() :]


def _langchain() -> Splitter | None:
    if find_spec("langchain_text_splitters") is None:
        return None
    from importlib import import_module

    splitter = import_module("langchain_text_splitters").RecursiveCharacterTextSplitter(
        chunk_size=1000, chunk_overlap=200
    )
    return lambda text: list(splitter.split_text(text))


def _llama_index() -> Splitter | None:
    if find_spec("llama_index") is None:
        return None
    from importlib import import_module

    splitter = import_module("llama_index.core.node_parser").SentenceSplitter()
    return lambda text: list(splitter.split_text(text))
