"""PDF, page by page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from ingest.parse.document import ParsedDocument
from ingest.parse.errors import FileBroken, FileEncrypted, FileOversized
from ingest.parse.tidy import document

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_PAGES = 3_000


def parse_pdf(file: BinaryIO) -> ParsedDocument:
    """The text of each page. A scan has none: `meta["text"]` then says `none`; `meta["unreadable_pages"]` names broken ones."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, LimitReachedError, PyPdfError, WrongPasswordError

    try:
        reader = PdfReader(file, strict=False)
        _unlock(reader)
        unreadable: list[int] = []
        parsed = document(_pages(reader, unreadable), _title(reader), {})
    except (WrongPasswordError, DependencyError) as locked:
        raise FileEncrypted from locked
    except LimitReachedError as bomb:
        raise FileOversized(
            "A part of the file unpacks to far more than a page holds. Save it anew and upload that."
        ) from bomb
    except PyPdfError as broken:
        raise FileBroken from broken
    if unreadable and len(unreadable) == len(parsed.pages):
        raise FileBroken
    parsed.meta.update(pages=str(len(parsed.pages)), text="some" if parsed.text else "none")
    if unreadable:
        parsed.meta["unreadable_pages"] = ", ".join(str(number) for number in unreadable)
    return parsed


def _unlock(reader: "PdfReader") -> None:
    """Many files are encrypted with an empty password, only to forbid printing; those can be read."""
    if reader.is_encrypted and not reader.decrypt(""):
        raise FileEncrypted


def _pages(reader: "PdfReader", unreadable: list[int]) -> Iterator[str]:
    """Page by page; the numbers of those that cannot be read are added to `unreadable`."""
    from pypdf.errors import LimitReachedError

    for number, page in enumerate(reader.pages, start=1):
        if number > MAX_PAGES:
            raise FileOversized(f"The file has more than {MAX_PAGES:,} pages. Split it and upload the parts.")
        try:
            yield page.extract_text()
        except (LimitReachedError, MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - pypdf raises what it likes on a broken page, which shall not cost the others
            unreadable.append(number)
            yield ""


def _title(reader: "PdfReader") -> str | None:
    metadata = reader.metadata
    title = metadata.title if metadata else None
    return title if isinstance(title, str) else None
