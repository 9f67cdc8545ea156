"""All offline insights of one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.extractive.dates import dates
from shared.extractive.emotions import Emotion, emotions
from shared.extractive.keywords import keywords
from shared.extractive.people import people
from shared.extractive.summaries import summarise

if TYPE_CHECKING:
    from shared.text.morphology import Morphology

_MOST_CHARACTERS = 60_000


@dataclass(frozen=True, slots=True)
class OfflineInsights:
    """What was extracted; every summary sentence is the text's own."""

    summary: str
    topics: list[str]
    emotions: list[Emotion]
    people: list[str]
    dates: list[str]


def insights(
    text: str, *, occurred_at: datetime, known_people: Sequence[str] = (), morphology: Morphology | None = None
) -> OfflineInsights:
    """Insights of a text; of a very long one, of its beginning."""
    text = text[:_MOST_CHARACTERS]
    mentioned = people(text, known_people)
    named = {name.casefold() for name in mentioned}
    topics = [topic for topic in keywords(text, morphology=morphology, most=8) if topic not in named]
    return OfflineInsights(summarise(text), topics[:5], emotions(text), mentioned, dates(text, occurred_at))
