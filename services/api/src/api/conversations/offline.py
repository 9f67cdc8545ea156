"""Answers without a model: sentences of the passages, quoted and cited, nothing added."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.text.morphology import Morphology

    from api.conversations.outcome import Draft

_SENTENCES = 3
# A number in brackets that stands in an entry must not look like one of our citations.
_BRACKETED = re.compile(r"\[(\s*\d+\s*)\]")


async def answer(draft: Draft, query: str, morphology: Morphology | None) -> None:
    """Quote the best sentences, or say that there is no evidence."""
    found = await asyncio.to_thread(_extracts, draft, query, morphology)
    if not found:
        draft.refuse()
        return
    for position, (number, text) in enumerate(found):
        shown = _BRACKETED.sub(r"(\1)", " ".join(text.split()))
        draft.say(f"{chr(10) if position else ''}“{shown}” ")
        draft.cite(number + 1, text)


def _extracts(draft: Draft, query: str, morphology: Morphology | None) -> list[tuple[int, str]]:
    from shared import extractive

    passages = [extractive.Passage(passage.text, passage.title or "") for passage in draft.passages]
    found = extractive.answer(query, passages, morphology=morphology, most=_SENTENCES)
    return [(extract.passage, extract.text) for extract in found.extracts]
