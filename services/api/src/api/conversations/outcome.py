"""An answer while it is being written, and what can be said about it at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.llm import Usage

from api.conversations.ledger import CitationLedger
from api.conversations.marks import AnswerReader, Cited, NothingFound, Piece, Said, links_in

if TYPE_CHECKING:
    from shared.retrieval import Passage
    from shared.streams import StreamWriter

NOTHING_FOUND = {
    "ko": "기록에서 그에 대한 내용을 찾지 못했어요.",
    "en": "I found nothing about that in your entries.",
}
_LINK_REMOVED = {"ko": "(링크 제거됨)", "en": "(link removed)"}


@dataclass(slots=True)
class Draft:
    """What an answer consists of so far. Every change is handed to the reader at once."""

    writer: StreamWriter
    language: str
    provider: str = "offline"
    model: str = "extractive"
    usage: Usage = field(default_factory=Usage)
    passages: Sequence[Passage] = ()
    refused: bool = False
    truncated: bool = False
    cached: bool = False
    cache_key: bytes | None = None
    _text: list[str] = field(default_factory=list)
    _reader: AnswerReader | None = None
    _ledger: CitationLedger | None = None

    def use(self, passages: Sequence[Passage]) -> None:
        """Fix the passages that may be cited."""
        self.passages = passages
        self._ledger = CitationLedger(passages)

    def read(self, text: str) -> None:
        """Take a piece of a model's answer."""
        if self._reader is None:
            links = {link for passage in self.passages for link in links_in(passage.text)}
            self._reader = AnswerReader(links, _LINK_REMOVED[self.language])
        self._show(self._reader.feed(text))

    def end(self) -> None:
        """No more pieces come."""
        if self._reader is not None:
            self._show(self._reader.finish())

    def say(self, text: str) -> None:
        """Show text of our own."""
        self._text.append(text)
        self.writer.emit("delta", {"text": text})

    def cite(self, n: int, quote: str | None) -> None:
        """Show a citation of passage `n` as what the check finds it to be; one of an unknown passage is dropped."""
        cited = self._ledger.cite(n, quote) if self._ledger is not None else None
        if cited is None:
            return
        number, citation = cited
        self.say(f"[{number}]")
        if citation is not None:
            self.writer.emit("citation", citation.model_dump(mode="json"))

    def refuse(self) -> None:
        """Say that there is no evidence, in the question's language."""
        if not self.refused:
            self.refused = True
            if not self.content.strip():
                self.say(NOTHING_FOUND[self.language])

    def replay(self, answer: dict[str, Any]) -> None:
        """Give an answer that was given before; nothing is asked or spent."""
        self.cached = True
        self.refused = answer["refused"]
        self.provider, self.model = answer["provider"], answer["model"]
        self.say(answer["content"])
        for citation in answer["citations"]:
            self._kept(citation)

    def as_cached(self) -> dict[str, Any]:
        """For the cache."""
        return {
            "content": self.content,
            "citations": self.citations,
            "refused": self.refused,
            "provider": self.provider,
            "model": self.model,
        }

    @property
    def content(self) -> str:
        """The text shown so far."""
        return "".join(self._text)

    @property
    def citations(self) -> list[dict[str, Any]]:
        """The citations shown so far, as JSON."""
        return [citation.model_dump(mode="json") for citation in self._ledger.citations] if self._ledger else []

    def fields(self, status: str, error: dict[str, Any] | None) -> dict[str, Any]:
        """The columns of the message."""
        usage = self.usage.as_json() | {"cached": self.cached, "refused": self.refused, "truncated": self.truncated}
        return {
            "status": status,
            "content": self.content,
            "citations": self.citations,
            # Where the passages stand, never their words: those belong to the entries and go with them.
            "passages": [_place(passage) for passage in self.passages],
            "provider": self.provider,
            "model": self.model,
            "usage": usage,
            "error": error,
        }

    def _kept(self, citation: dict[str, Any]) -> None:
        from shared.contracts.conversation import Citation

        if self._ledger is None:
            self._ledger = CitationLedger(self.passages)
        self._ledger.citations.append(Citation.model_validate(citation))
        self.writer.emit("citation", citation)

    def _show(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            match piece:
                case Said(text):
                    if not self.refused:
                        self.say(text)
                case Cited(n, quote):
                    self.cite(n, quote)
                case NothingFound():
                    self.refuse()


def _place(passage: Passage) -> dict[str, Any]:
    return {
        "entry_id": str(passage.entry_id),
        "chunk_id": str(passage.chunk_id),
        "version": passage.version,
        "start": passage.start,
        "end": passage.end,
        "sha256": passage.sha256,
    }
