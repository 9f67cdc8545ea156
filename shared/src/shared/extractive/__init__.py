"""What can be said about a text without a language model: extracted, quoted and counted, never invented."""

from shared.extractive.answers import Extract, ExtractiveAnswer, Passage, answer
from shared.extractive.dates import dates
from shared.extractive.emotions import EMOTIONS, Emotion, emotions
from shared.extractive.insights import OfflineInsights, insights
from shared.extractive.keywords import keywords
from shared.extractive.people import people
from shared.extractive.summaries import summarise

PROVIDER = "offline"

__all__ = [
    "EMOTIONS",
    "PROVIDER",
    "Emotion",
    "Extract",
    "ExtractiveAnswer",
    "OfflineInsights",
    "Passage",
    "answer",
    "dates",
    "emotions",
    "insights",
    "keywords",
    "people",
    "summarise",
]
