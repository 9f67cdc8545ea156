"""DOCX: paragraphs, lists and tables in the order in which they are read."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from ingest.parse.archive import check_docx
from ingest.parse.document import ParsedDocument
from ingest.parse.errors import FileBroken, FileTypeMismatch
from ingest.parse.tidy import document

if TYPE_CHECKING:
    from docx.document import Document

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_BREAKS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_TITLES = frozenset({"title", "heading 1"})


def parse_docx(file: BinaryIO) -> ParsedDocument:
    """The text; what tracked changes have deleted is left out, text boxes and content controls are in."""
    import docx
    from docx.opc.exceptions import PackageNotFoundError

    check_docx(file)
    try:
        # lxml's errors are SyntaxErrors.
        word = docx.Document(file)
    except (PackageNotFoundError, KeyError, SyntaxError) as broken:
        raise FileBroken from broken
    except ValueError as other:
        # python-docx says so of a workbook or a presentation.
        raise FileTypeMismatch(
            "The file is an Office document, but not one of Word. Save it as DOCX or PDF."
        ) from other
    return document(["\n".join(_lines(word.element.body))], word.core_properties.title or _heading(word), {})


def _lines(container: Any) -> Iterator[str]:
    """The lines of a body, a cell or a control; XML nests 256 deep at most (lxml's limit), and so does this."""
    for element in container:
        if element.tag == f"{_W}p":
            yield from _paragraph(element)
        elif element.tag == f"{_W}tbl":
            yield from _table(element)
        elif element.tag in {f"{_W}sdt", f"{_W}sdtContent", f"{_W}customXml", f"{_W}ins", f"{_W}moveTo"}:
            yield from _lines(element)


def _paragraph(paragraph: Any) -> Iterator[str]:
    pieces: list[str] = []
    boxes: list[Any] = []
    _collect(paragraph, pieces, boxes)
    line = "".join(pieces).rstrip()
    if line and paragraph.find(f"{_W}pPr/{_W}numPr") is not None:
        line = f"- {line}"
    yield line
    for box in boxes:
        yield from _lines(box)


def _collect(element: Any, pieces: list[str], boxes: list[Any]) -> None:
    for child in element:
        if child.tag == f"{_W}t":
            pieces.append(child.text or "")
        elif child.tag in _BREAKS:
            pieces.append(_BREAKS[child.tag])
        elif child.tag == f"{_W}txbxContent":
            boxes.append(child)
        elif child.tag not in {_FALLBACK, f"{_W}pPr", f"{_W}rPr", f"{_W}del", f"{_W}moveFrom"}:
            _collect(child, pieces, boxes)


def _table(table: Any) -> Iterator[str]:
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl")) is table:
            cells = (" ".join(line for line in _lines(cell) if line) for cell in row.iterchildren(f"{_W}tc"))
            yield " | ".join(cells)
    yield ""


def _heading(word: "Document") -> str | None:
    for paragraph in word.paragraphs[:200]:
        style = paragraph.style.name if paragraph.style else None
        if style and style.lower() in _TITLES and paragraph.text.strip():
            return paragraph.text
    return None
