"""Which files are taken, and how the first bytes tell whether a file is what it says. Pure."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

Kind = Literal["document", "photo", "audio"]
# As many first bytes as `looks_like` wants to see.
HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class MediaType:
    """A type that is taken: its own name, and what else browsers and phones call it."""

    name: str
    kind: Kind
    extensions: tuple[str, ...]
    families: frozenset[str]
    aliases: tuple[str, ...] = ()


def _media(name: str, kind: Kind, extensions: str, families: str, *aliases: str) -> MediaType:
    return MediaType(name, kind, tuple(extensions.split()), frozenset(families.split()), aliases)


PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
MARKDOWN = "text/markdown"
HTML = "text/html"
TEXT = "text/plain"

MEDIA_TYPES = (
    _media(PDF, "document", "pdf", "pdf", "application/x-pdf"),
    _media(DOCX, "document", "docx", "zip ole"),
    _media(MARKDOWN, "document", "md markdown", "text", "text/x-markdown"),
    _media(HTML, "document", "html htm xhtml", "text", "application/xhtml+xml"),
    _media(TEXT, "document", "txt text", "text"),
    _media("image/jpeg", "photo", "jpg jpeg", "jpeg", "image/jpg", "image/pjpeg"),
    _media("image/png", "photo", "png", "png", "image/x-png"),
    _media("image/webp", "photo", "webp", "webp"),
    _media("image/gif", "photo", "gif", "gif"),
    _media("image/heic", "photo", "heic heif", "heif", "image/heif", "image/heic-sequence", "image/heif-sequence"),
    _media("image/avif", "photo", "avif", "avif"),
    _media("audio/mpeg", "audio", "mp3", "mp3", "audio/mp3", "audio/x-mpeg"),
    _media("audio/mp4", "audio", "m4a mp4", "mp4", "audio/x-m4a", "audio/m4a", "audio/aacp"),
    _media("audio/aac", "audio", "aac", "aac mp4", "audio/x-aac"),
    _media("audio/wav", "audio", "wav", "wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"),
    _media("audio/ogg", "audio", "ogg oga opus", "ogg", "audio/opus", "application/ogg"),
    _media("audio/webm", "audio", "webm weba", "webm"),
    _media("audio/flac", "audio", "flac", "flac", "audio/x-flac"),
)
_BY_NAME = {name: media for media in MEDIA_TYPES for name in (media.name, *media.aliases)}
_BY_EXTENSION = {extension: media for media in MEDIA_TYPES for extension in media.extensions}
# What a browser says of a file whose type it does not know; the name decides then.
_UNKNOWN = frozenset({"", "application/octet-stream", "binary/octet-stream"})


def media_type(content_type: str, filename: str = "") -> MediaType | None:
    """The type behind what a client calls it, or None when it is not taken."""
    name = content_type.partition(";")[0].strip().lower()
    if name not in _UNKNOWN:
        return _BY_NAME.get(name)
    _, dot, extension = filename.rpartition(".")
    return _BY_EXTENSION.get(extension.lower()) if dot else None


def looks_like(media: MediaType, head: bytes) -> bool:
    """Whether the first bytes can be the start of such a file."""
    return family(head) in media.families


def family(head: bytes) -> str | None:
    """What the first bytes say: a family such as `pdf`, `zip` or `text`, or None for bytes of no known kind."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return _ISO_BRANDS.get(head[8:12], "mp4")
    if head[:4] == b"RIFF" and (held := {b"WEBP": "webp", b"WAVE": "wav"}.get(head[8:12])):
        return held
    if b"%PDF-" in head[:1024]:
        return "pdf"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[:2] not in {b"\xff\xfe", b"\xff\xff"}:
        # MPEG audio: layer bits 00 mean ADTS, that is AAC.
        return "mp3" if head[1] & 0x06 else "aac"
    return "text" if _may_be_text(head) else None


_MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    # With the major version: a text may well begin with these letters.
    *((b"ID3" + bytes([major]), "mp3") for major in range(2, 5)),
    (b"OggS", "ogg"),
    (b"\x1aE\xdf\xa3", "webm"),
    (b"fLaC", "flac"),
    (b"\x7fELF", "executable"),
    (b"MZ\x90", "executable"),
    (b"{\\rtf", "rtf"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
)
_ISO_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "heif"),
    **dict.fromkeys((b"avif", b"avis"), "avif"),
}
# Control, unassigned, private and surrogate code points.
_NO_TEXT = frozenset({"Cc", "Cn", "Co", "Cs"})
_TEXT_CONTROLS = frozenset(b"\t\n\r\f\x1b\x08\x0b\x1a")


def utf16_without_mark(sample: bytes) -> str | None:
    """`utf-16-le` or `utf-16-be` for what reads as that, None otherwise. Zeros lie on one side of each pair; Korean has them in its blanks alone."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    encoding = "utf-16-be" if even > odd else "utf-16-le"
    text = sample[: len(sample) // 2 * 2].decode(encoding, "replace")
    strange = sum(1 for character in text if unicodedata.category(character) in _NO_TEXT and character not in "\t\n\r")
    one_sided = min(even, odd) * 3 <= max(even, odd) and (even + odd) * 50 > len(sample)
    return encoding if one_sided and strange * 50 <= len(text) else None


def _may_be_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if 0 in head:
        return utf16_without_mark(head) is not None
    controls = sum(1 for byte in head if byte < 0x20 and byte not in _TEXT_CONTROLS)
    return controls <= 2 + len(head) / 100
