"""What comes of reading a document."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """The text of a document. `pages` are (start, end) in code points of `text`; a document without pages has one.

    `text` is NFC, has `\\n` line ends and no control characters, so that offsets into it stay true wherever it is stored.
    """

    text: str
    title: str | None = None
    pages: tuple[tuple[int, int], ...] = ()
    meta: dict[str, str] = field(default_factory=dict)
    language: str | None = None
