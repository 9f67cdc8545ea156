"""Plain text, in whatever encoding it was written."""

import codecs
import re
from typing import BinaryIO

from shared.storage.media import utf16_without_mark

from ingest.parse.document import ParsedDocument
from ingest.parse.errors import FileOversized, FileTypeMismatch
from ingest.parse.tidy import MAX_CHARACTERS, document

_MAX_BYTES = 4 * MAX_CHARACTERS
_SAMPLE = 64 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TYPOGRAPHIC = frozenset("\u00a0‘’“”‚„…–—•€£¥§©®°·«»¡¿½¼¾²³×÷™†‡")
_HIGH = re.compile(rb"[\x80-\xff]+")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def parse_plain(file: BinaryIO) -> ParsedDocument:
    """The text. Raises `FileTypeMismatch` for bytes that are no text."""
    text, encoding = decode(read_all(file))
    return document([text], None, {"encoding": encoding})


def read_all(file: BinaryIO) -> bytes:
    """All of a text file. Raises `FileOversized` before reading what could not be kept."""
    data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FileOversized(f"The file holds more than {MAX_CHARACTERS:,} characters. Split it and upload the parts.")
    return data


def decode(data: bytes, hint: str | None = None) -> tuple[str, str]:
    """The text and the encoding it was in: a byte order mark, then UTF-8, then `hint`, then what the bytes look like."""
    encoding = _marked(data) or _guessed(data, hint)
    try:
        text = data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        # One bad byte in a long text does not make it something else.
        text = data.decode(encoding, "replace")
        if text.count("\ufffd") > 2 + len(text) / 100:
            raise FileTypeMismatch("The file is not text in any known encoding. Save it as UTF-8.") from None
    if len(_CONTROLS.findall(text[:_SAMPLE])) > 2 + len(text[:_SAMPLE]) / 100:
        raise FileTypeMismatch("The file is not text: it is full of control characters.")
    return text, "utf-8" if encoding == "utf-8-sig" else encoding


def _marked(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _guessed(data: bytes, hint: str | None) -> str:
    sample = data[:_SAMPLE]
    if b"\0" in sample:
        return _utf16_side(sample)
    if _decodes(data, "utf-8"):
        return "utf-8"
    if hint and _decodes(data, hint):
        return hint
    if _mostly_decodes(data, "utf-8"):
        return "utf-8"
    if _reads_as_korean(data):
        return "cp949"
    return "cp1252" if _reads_as_western(sample) else _by_statistics(sample)


def _utf16_side(sample: bytes) -> str:
    encoding = utf16_without_mark(sample)
    if encoding is None:
        raise FileTypeMismatch("The file is not text. Upload the document itself.")
    return encoding


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except (UnicodeDecodeError, LookupError, ValueError):
        return False
    return True


def _mostly_decodes(data: bytes, encoding: str) -> bool:
    """Whether nearly all that is not ASCII is valid: a text with a damaged place, or one that was cut within a character."""
    text = data[:_SAMPLE].decode(encoding, "replace")
    beyond_ascii = sum(1 for character in text if character > "\x7f")
    return text.count("\ufffd") * 10 < beyond_ascii


def _reads_as_korean(data: bytes) -> bool:
    """Whether the bytes are EUC-KR or its superset CP949: pairs that are mostly the common syllables.

    Western text decodes as CP949 too, now and then, but its lone accented letters do not come in pairs of KS X 1001 syllables.
    """
    if not _decodes(data, "cp949"):
        return False
    runs = _HIGH.findall(data[:_SAMPLE])
    common = sum(1 for run in runs for lead, trail in zip(run[::2], run[1::2], strict=False) if _syllable(lead, trail))
    beyond_ascii = sum(len(run) for run in runs)
    return common * 2 >= beyond_ascii * 0.6


def _syllable(lead: int, trail: int) -> bool:
    return 0xB0 <= lead <= 0xC8 and trail >= 0xA1


def _reads_as_western(sample: bytes) -> bool:
    """Whether this is mostly ASCII with accented letters and typographic marks strewn in, as Windows wrote it."""
    beyond_ascii = sum(len(run) for run in _HIGH.findall(sample))
    if beyond_ascii * 4 > len(sample) or not _decodes(sample, "cp1252"):
        return False
    text = sample.decode("cp1252")
    return all(character.isalpha() or character in _TYPOGRAPHIC for character in text if character > "\x7f")


def _by_statistics(sample: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    if best is None:
        raise FileTypeMismatch("The file is not text in any known encoding. Save it as UTF-8.")
    return best.encoding
