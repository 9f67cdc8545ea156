"""Filters of subscriptions: the part of Pub/Sub's syntax that looks at attributes.

`attributes:name`, `attributes.name = "value"`, `attributes.name != "value"`, `hasPrefix(attributes.name, "value")`, NOT or `-`, AND or OR (not both
without brackets), brackets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from shared.testing.google_peer.faults import Refusal

_LONGEST = 256
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(!=|=|:|\(|\)|,|\.|-)|([A-Za-z_][A-Za-z0-9_-]*))')
Predicate = Callable[[Mapping[str, str]], bool]


def parse(text: str) -> Predicate:
    """Whether attributes pass; INVALID_ARGUMENT for a filter that Pub/Sub would refuse."""
    if len(text.encode()) > _LONGEST:
        raise Refusal("INVALID_ARGUMENT", f"filter is longer than {_LONGEST} bytes")
    if not text.strip():
        return lambda _: True
    reader = _Reader(_tokens(text), text)
    predicate = reader.either()
    reader.end()
    return predicate


def _tokens(text: str) -> list[str]:
    found, place = [], 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None:
            raise Refusal("INVALID_ARGUMENT", f"filter: {text!r} is not understood from character {place}")
        found.append(match.group(match.lastindex or 0))
        place = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[str], text: str) -> None:
        self._tokens, self._text, self._place = tokens, text, 0

    def either(self) -> Predicate:
        """Terms that are joined by one kind of operator."""
        terms, joined = [self._negatable()], ""
        while self._peek() in {"AND", "OR"}:
            operator = self._next()
            if joined and operator != joined:
                raise self._wrong("AND and OR need brackets")
            joined = operator
            terms.append(self._negatable())
        quantifier = any if joined == "OR" else all
        return lambda attributes: quantifier(term(attributes) for term in terms)

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise self._wrong("something follows the end")

    def _negatable(self) -> Predicate:
        if self._peek() in {"NOT", "-"}:
            self._next()
            inner = self._term()
            return lambda attributes: not inner(attributes)
        return self._term()

    def _term(self) -> Predicate:
        token = self._next()
        if token == "(":
            inner = self.either()
            self._expect(")")
            return inner
        if token == "hasPrefix":
            self._expect("(")
            self._expect("attributes")
            name = self._name_after(".")
            self._expect(",")
            prefix = self._string()
            self._expect(")")
            return lambda attributes: attributes.get(name, "").startswith(prefix)
        if token != "attributes":
            raise self._wrong("only attributes can be looked at")
        if self._peek() == ":":
            name = self._name_after(":")
            return lambda attributes: name in attributes
        name = self._name_after(".")
        operator, value = self._next(), self._string()
        match operator:
            case "=":
                return lambda attributes: attributes.get(name) == value
            case "!=":
                return lambda attributes: attributes.get(name) != value
            case _:
                raise self._wrong(f"operator {operator!r}")

    def _name_after(self, mark: str) -> str:
        self._expect(mark)
        token = self._next()
        name = str(json.loads(token)) if token.startswith('"') else token
        if not name:
            raise self._wrong("an attribute has a name")
        return name

    def _string(self) -> str:
        token = self._next()
        if not token.startswith('"'):
            raise self._wrong(f"{token!r} is not a string")
        return str(json.loads(token))

    def _peek(self) -> str:
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise self._wrong("it ends too early")
        self._place += 1
        return token

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise self._wrong(f"{token!r} is missing")

    def _wrong(self, why: str) -> Refusal:
        return Refusal("INVALID_ARGUMENT", f"filter {self._text!r}: {why}")
