"""Finding passages: one query, by word and by meaning, over everything a person may read."""

from shared.retrieval.passages import Found, Passage, SearchFilter
from shared.retrieval.retriever import Retriever

__all__ = ["Found", "Passage", "Retriever", "SearchFilter"]
