"""Terraform's files as blocks: arguments as the text of their expressions, nested blocks apart from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

_MARK = "__is_block__"
_LABELS = {"resource": 2, "data": 2, "variable": 1, "output": 1, "module": 1, "provider": 1}


class BrokenFile(Exception):
    """A file that is not HCL."""


@dataclass(frozen=True, slots=True)
class Body:
    """What stands between a block's braces. Values are as the parser has them: text is expressions, `"…"` inside of it is a literal."""

    arguments: Mapping[str, Any]
    blocks: Sequence[tuple[str, Body]]
    dynamic: Sequence[tuple[str, Any]] = ()
    """The nested blocks that an expression multiplies, by name, with the expression."""

    def nested(self, *path: str) -> list[Body]:
        """The blocks at `path`."""
        if not path:
            return [self]
        return [found for name, body in self.blocks if name == path[0] for found in body.nested(*path[1:])]

    def value(self, name: str) -> Any:
        """An argument: a literal without its quotes, anything else as the parser has it; None when it is absent."""
        found = self.arguments.get(name)
        return found[1:-1] if isinstance(found, str) and _is_literal(found) else found

    def texts(self) -> Iterator[str]:
        """Every text of every argument, those of nested blocks included."""
        yield from _texts(self.arguments)
        yield from _texts([expression for _, expression in self.dynamic])
        for _, body in self.blocks:
            yield from body.texts()

    def code(self) -> str:
        """All expressions, the words of literals left out."""
        return "\n".join(expressions(text) for text in self.texts())


@dataclass(frozen=True, slots=True)
class Block:
    """One block at the top of a file."""

    kind: str
    labels: tuple[str, ...]
    body: Body
    path: Path
    line: int

    @property
    def address(self) -> str:
        """Such as `google_pubsub_topic.facts`."""
        return ".".join(self.labels)


@dataclass(frozen=True, slots=True)
class Module:
    """The files of one folder."""

    folder: Path
    blocks: list[Block] = field(default_factory=list)

    def of(self, kind: str, label: str | None = None) -> list[Block]:
        """The blocks of a kind, of one type if `label` names one."""
        return [block for block in self.blocks if block.kind == kind and (label is None or block.labels[0] == label)]


def modules(folder: Path) -> list[Module]:
    """The module in `folder` and those below it."""
    folders = sorted({path.parent for path in folder.rglob("*.tf") if ".terraform" not in path.parts})
    return [Module(each, [block for path in sorted(each.glob("*.tf")) for block in read(path)]) for each in folders]


def read(path: Path) -> Iterator[Block]:
    """The blocks of one file."""
    import hcl2

    text = path.read_text(encoding="utf-8")
    try:
        parsed = cast("dict[str, Any]", hcl2.loads(text))
    except Exception as error:
        # The parser raises what its own parser generator raises.
        raise BrokenFile(f"{path}: {str(error).splitlines()[0]}") from error
    for kind, found in parsed.items():
        for each in found:
            for labels, body in _labelled(each, _LABELS.get(kind, 0)):
                yield Block(kind, labels, _body(body), path, _line(text, kind, labels))


def _labelled(value: Mapping[str, Any], depth: int) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    if depth == 0:
        yield (), value
        return
    for key, inner in value.items():
        if key != _MARK:
            for labels, body in _labelled(inner, depth - 1):
                yield (key.strip('"'), *labels), body


def _body(value: Mapping[str, Any]) -> Body:
    arguments: dict[str, Any] = {}
    blocks: list[tuple[str, Body]] = []
    dynamic: list[tuple[str, Any]] = []
    for name, inner in value.items():
        if name == "dynamic":
            for labels, body in (pair for each in inner for pair in _labelled(each, 1)):
                dynamic.append((labels[0], body.get("for_each")))
                blocks.extend((labels[0], _body(content)) for content in body.get("content", ()))
        elif isinstance(inner, list) and inner and all(isinstance(each, Mapping) and _MARK in each for each in inner):
            blocks.extend((name, _body(each)) for each in inner)
        elif not name.startswith("__"):
            arguments[name] = inner
    return Body(arguments, blocks, dynamic)


def _line(text: str, kind: str, labels: Sequence[str]) -> int:
    head = r"\s+".join([rf"^{kind}", *(rf'"{re.escape(label)}"' for label in labels)])
    found = re.search(head, text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _is_literal(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


def expressions(text: str) -> str:
    """The code in a value's text: what stands in `${…}`, without the words of string literals."""
    kept: list[str] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        at = _code(text, start + 2, kept)
    return "".join(kept)


def _code(text: str, at: int, kept: list[str]) -> int:
    """Keep what stands from `at` to the brace that ends an interpolation."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            at = _literal(text, at + 1, kept)
        elif char == "}" and depth == 0:
            kept.append(" ")
            return at + 1
        else:
            depth += (char == "{") - (char == "}")
            kept.append(char)
            at += 1
    return at


def _literal(text: str, at: int, kept: list[str]) -> int:
    """Walk over a literal inside of an expression; interpolations in it are code again."""
    kept.append(" ")
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith("${", at):
            at = _code(text, at + 2, kept)
        elif text[at] == '"':
            return at + 1
        else:
            at += 1
    return at
