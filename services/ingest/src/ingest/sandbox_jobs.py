"""What the sandbox can do, by name. Importing this loads every parser, so that no child has to (none could: it has no file system)."""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO

from shared.storage.media import DOCX, HEAD_BYTES, HTML, MARKDOWN, PDF, TEXT, MediaType, looks_like, media_type

from ingest.parse.audio import read_audio
from ingest.parse.errors import FileTypeMismatch, FileTypeUnsupported
from ingest.parse.html import parse_html
from ingest.parse.markdown import parse_markdown
from ingest.parse.pdf import parse_pdf
from ingest.parse.plain import parse_plain
from ingest.parse.word import parse_docx
from ingest.photos.photo import examine
from ingest.photos.picture import prepare_pillow
from ingest.sandbox_wire import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from ingest.parse.document import ParsedDocument

_PARSERS: dict[str, Callable[[BinaryIO], ParsedDocument]] = {
    PDF: parse_pdf,
    DOCX: parse_docx,
    MARKDOWN: parse_markdown,
    HTML: parse_html,
    TEXT: parse_plain,
}
# Whole packages, since they import parts of themselves only when a file calls for them.
_PACKAGES = ("bs4", "charset_normalizer", "docx", "encodings", "markdown_it", "pypdf", "tinytag")
_MODULES = ("lxml.etree", "lxml.html", "zoneinfo", "zlib", "bz2", "lzma", "xml.etree.ElementTree")


def _document(file: BinaryIO, content_type: str) -> Output:
    _check_family(file, content_type)
    parsed = _PARSERS[content_type](file)
    facts = {"title": parsed.title, "pages": parsed.pages, "meta": parsed.meta, "language": parsed.language}
    return Output(facts, [parsed.text.encode("utf-8")])


def _photo(file: BinaryIO, content_type: str, keep_location: bool) -> Output:
    _check_family(file, content_type)
    return examine(file, content_type, keep_location=keep_location)


def _audio(file: BinaryIO, content_type: str) -> Output:
    media = _check_family(file, content_type)
    return Output(asdict(read_audio(file, f".{media.extensions[0]}")))


def _check_family(file: BinaryIO, content_type: str) -> MediaType:
    media = media_type(content_type)
    if media is None:
        raise FileTypeUnsupported
    head = file.read(HEAD_BYTES)
    if not head:
        raise FileTypeMismatch("The file is empty.")
    if not looks_like(media, head):
        raise FileTypeMismatch
    file.seek(0)
    return media


def _load() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    for package in _PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            # Some parts are for another platform, or for an optional package that is not installed.
            with suppress(ImportError):
                importlib.import_module(module.name)
    prepare_pillow()


_load()
JOBS: dict[str, Callable[..., Any]] = {"document": _document, "photo": _photo, "audio": _audio}
