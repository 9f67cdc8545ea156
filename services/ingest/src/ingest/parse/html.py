"""HTML: what a reader would see, as text."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from bs4 import BeautifulSoup
from bs4.element import Comment, Declaration, Doctype, NavigableString, PageElement, ProcessingInstruction, Tag

from ingest.parse.document import ParsedDocument
from ingest.parse.plain import decode, read_all
from ingest.parse.tidy import document

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_.:-]{2,40})""", re.IGNORECASE)
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_UNSEEN = frozenset(
    {"script", "style", "noscript", "template", "svg", "math", "head", "iframe", "object", "embed", "canvas", "select"}
)
_TEXT_BLOCKS = {
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "div",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "html",
}
_LISTS = {"dd", "dl", "dt", "li", "ol", "ul"}
_TABLES = {"caption", "table", "tbody", "tfoot", "thead", "tr"}
_HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
_BLOCKS = frozenset(
    {"details", "fieldset", "main", "nav", "p", "pre", "section", "summary"}
    | _TEXT_BLOCKS
    | _LISTS
    | _TABLES
    | _HEADINGS
)
_CELLS = frozenset({"td", "th"})
_NO_TEXT = (Comment, Declaration, Doctype, ProcessingInstruction)


def parse_html(file: BinaryIO) -> ParsedDocument:
    """The visible text; scripts, styles and what is hidden from a reader are left out."""
    data = read_all(file)
    found = _CHARSET.search(data[:2048])
    text, encoding = decode(data, hint=_korean_superset(found[1].decode("ascii").lower()) if found else None)
    soup = BeautifulSoup(text, "lxml")
    title = soup.title.get_text() if soup.title else None
    return document([visible_text(soup)], title or _first_heading(soup), {"encoding": encoding})


def html_to_text(markup: str) -> str:
    """The visible text of a piece of HTML."""
    return visible_text(BeautifulSoup(markup, "lxml"))


def visible_text(soup: BeautifulSoup) -> str:
    """Line by line: blocks begin a line, cells of a row are divided by a bar."""
    return re.sub(r" *\n *", "\n", "".join(_pieces(soup)))


def _pieces(soup: BeautifulSoup) -> Iterator[str]:
    """Walks without recursion: pages nest deeper than Python's stack."""
    node = soup.contents[0] if soup.contents else None
    while node is not None:
        if isinstance(node, Tag):
            if _unseen(node):
                node = _after(node)
                continue
            yield _opening(node)
        elif isinstance(node, NavigableString) and not isinstance(node, _NO_TEXT):
            yield _words(node)
        node = node.next_element


def _words(text: NavigableString) -> str:
    in_pre = any(parent.name == "pre" for parent in list(text.parents)[:4])
    return str(text) if in_pre else _BLANKS.sub(" ", text)


def _opening(tag: Tag) -> str:
    if tag.name == "br":
        return "\n"
    if tag.name in _CELLS:
        return " | " if tag.find_previous_sibling(list(_CELLS)) else ""
    if tag.name == "li":
        return "\n- "
    return "\n" if tag.name in _BLOCKS else ""


def _after(tag: Tag) -> PageElement | None:
    """What follows the whole of `tag`."""
    node: Tag | None = tag
    while node is not None:
        if node.next_sibling is not None:
            return node.next_sibling
        node = node.parent
    return None


def _unseen(tag: Tag) -> bool:
    if tag.name in _UNSEEN or tag.has_attr("hidden"):
        return True
    style = tag.get("style")
    return isinstance(style, str) and bool(_HIDING.search(style))


def _first_heading(soup: BeautifulSoup) -> str | None:
    heading = soup.find("h1")
    return heading.get_text(" ") if isinstance(heading, Tag) else None


def _korean_superset(name: str) -> str:
    # Pages that say EUC-KR mean what browsers make of it (WHATWG Encoding, "euc-kr").
    return "cp949" if name in {"euc-kr", "ks_c_5601-1987", "ksc5601", "korean"} else name
