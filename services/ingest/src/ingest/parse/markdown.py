"""Markdown: its words without its marks."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO

from ingest.parse.document import ParsedDocument
from ingest.parse.html import html_to_text
from ingest.parse.plain import decode, read_all
from ingest.parse.tidy import document

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title\s*:\s*[\"']?(.+?)[\"']?\s*$", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(r"<[^>]*>")


def parse_markdown(file: BinaryIO) -> ParsedDocument:
    """The text as it would be read; links keep their words, pictures their description, front matter gives the title."""
    source, encoding = decode(read_all(file))
    front = _FRONT_MATTER.match(source)
    body = source[front.end() :] if front else source
    tokens = _parser().parse(body)
    titled = _FRONT_TITLE.search(front[1]) if front else None
    return document(["".join(_lines(tokens))], titled[1] if titled else _first_heading(tokens), {"encoding": encoding})


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])


def _lines(tokens: Sequence["Token"]) -> Iterator[str]:
    for token in tokens:
        match token.type:
            case "inline":
                yield _words(token)
            case "fence" | "code_block":
                yield f"{token.content}\n"
            case "html_block":
                yield f"{html_to_text(token.content)}\n\n"
            case "list_item_open":
                yield "  " * max(0, token.level // 2) + (f"{token.info}. " if token.info else "- ")
            case "td_open" | "th_open":
                yield "| "
            case "td_close" | "th_close":
                yield " "
            case "paragraph_close" if token.hidden:
                yield "\n"
            case "paragraph_close" | "heading_close" | "table_close" | "bullet_list_close" | "ordered_list_close":
                yield "\n\n"
            case "tr_close":
                yield "\n"
            case _:
                continue


def _words(token: "Token") -> str:
    words = []
    for child in token.children or ():
        match child.type:
            case "text" | "code_inline":
                words.append(child.content)
            case "softbreak" | "hardbreak":
                words.append("\n")
            case "image":
                words.append(_words(child))
            case "html_inline" if _TAG.sub("", child.content):
                words.append(_TAG.sub("", child.content))
            case _:
                continue
    return "".join(words)


def _first_heading(tokens: Sequence["Token"]) -> str | None:
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            return _words(inline)
    return None
