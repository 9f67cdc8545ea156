"""Checks quotes against the passages of one request and numbers what is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shared.contracts.conversation import Citation, CitationState
from shared.text.quotes import locate

if TYPE_CHECKING:
    from shared.retrieval import Passage

# A quote of one syllable or of "the" would be found anywhere and prove nothing.
_SHORTEST_PLAIN, _SHORTEST_OTHER = 4, 2
_LONGEST_CLAIMED = 300


class CitationLedger:
    """The citations of one answer. Numbers count up in the order of first use, one for each quoted place."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._passages = passages
        self._numbers: dict[tuple[object, ...], int] = {}
        self.citations: list[Citation] = []

    def cite(self, n: int, quote: str | None) -> tuple[int, Citation | None] | None:
        """The number to show, and the citation when it is a new one; None for a passage that was not in this request."""
        if not 1 <= n <= len(self._passages):
            return None
        claimed = self._passages[n - 1]
        for passage in [claimed, *(other for other in self._passages if other is not claimed)]:
            if quote and _long_enough(quote) and (found := locate(quote, passage.text)):
                state: CitationState = "verified" if passage is claimed else "misattributed"
                return self._number(passage, found, passage.text[found[0] : found[1]], state)
        return self._number(claimed, (0, len(claimed.text)), (quote or "")[:_LONGEST_CLAIMED], "missing")

    def _number(
        self, passage: Passage, span: tuple[int, int], quote: str, state: CitationState
    ) -> tuple[int, Citation | None]:
        start, end = passage.start + span[0], passage.start + span[1]
        key = (passage.entry_id, passage.version, start, end, state, quote if state == "missing" else "")
        if (known := self._numbers.get(key)) is not None:
            return known, None
        n = self._numbers[key] = len(self.citations) + 1
        citation = Citation(
            n=n,
            entry_id=passage.entry_id,
            version=passage.version,
            title=passage.title,
            occurred_at=passage.occurred_at,
            start=start,
            end=end,
            quote=quote,
            state=state,
        )
        self.citations.append(citation)
        return n, citation


def _long_enough(quote: str) -> bool:
    letters = [character for character in unicodedata.normalize("NFKC", quote) if character.isalnum()]
    return len(letters) >= (_SHORTEST_PLAIN if all(letter.isascii() for letter in letters) else _SHORTEST_OTHER)
