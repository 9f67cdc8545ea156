"""Text as it is kept: normalised once, here, so that offsets into it stay true. Pure."""

import re
import unicodedata
from collections.abc import Iterable

from ingest.parse.document import ParsedDocument
from ingest.parse.errors import FileOversized

# About ten novels; a file that yields more is split by whoever uploads it.
MAX_CHARACTERS = 5_000_000
_MAX_TITLE = 300
_PAGE_BREAK = "\n\n"

_LINE_ENDS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")
# Control and format characters that carry no meaning for a reader and that Postgres or a terminal would choke on. The joiners of emoji stay.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\u00ad\u200b\u202a-\u202e\u2060\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_TRAILING_BLANKS = re.compile(r"[ \t\u00a0\u3000]+(?=\n|\Z)")
_MANY_LINES = re.compile(r"\n{3,}")
_LETTERS = re.compile(r"[^\W\d_]")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_LANGUAGE_SAMPLE = 20_000


def tidy(text: str) -> str:
    """NFC, `\\n` line ends, no control characters, no trailing blanks, at most one empty line in a row."""
    text = _UNWANTED.sub("", _LINE_ENDS.sub("\n", text))
    text = unicodedata.normalize("NFC", text)
    return _MANY_LINES.sub("\n\n", _TRAILING_BLANKS.sub("", text)).strip("\n")


def document(pages: Iterable[str], title: str | None, meta: dict[str, str] | None = None) -> ParsedDocument:
    """A document from its pages, in order; pages are read one by one, so an endless row of them ends at the limit."""
    kept: list[str] = []
    spans: list[tuple[int, int]] = []
    end = 0
    for page in pages:
        text = tidy(page)
        start = end + len(_PAGE_BREAK) if kept and text else end
        end = start + len(text)
        if end > MAX_CHARACTERS:
            raise FileOversized(
                f"The file holds more than {MAX_CHARACTERS:,} characters. Split it and upload the parts."
            )
        spans.append((start, end))
        if text:
            kept.append(text)
    whole = _PAGE_BREAK.join(kept)
    return ParsedDocument(whole, tidy_title(title), tuple(spans), meta or {}, language_of(whole))


def tidy_title(title: str | None) -> str | None:
    """A title on one line, or None where there is none to speak of."""
    if title is None:
        return None
    line = " ".join(tidy(title).split())
    return line[:_MAX_TITLE].rstrip() or None


def language_of(text: str) -> str | None:
    """`ko` or `en` by script, None where there are hardly any letters of either."""
    sample = text[:_LANGUAGE_SAMPLE]
    letters = len(_LETTERS.findall(sample))
    hangul, latin = len(_HANGUL.findall(sample)), len(_LATIN.findall(sample))
    if letters < 3 or max(hangul, latin) * 2 < letters:
        return None
    # A Korean text often has more Latin letters than Hangul syllables, which are worth two or three letters each.
    return "ko" if hangul * 3 >= latin else "en"
