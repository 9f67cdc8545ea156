"""What the owner of a folder and its clients say to each other: one JSON document a line."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

MAX_LINE = 256 * 1024 * 1024

T = TypeVar("T")


def encoded(document: dict[str, Any]) -> bytes:
    """A document as one line."""
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def plain(kind: type[T], value: T) -> Any:
    """A data class, or a list of them, as JSON knows it. What is as by default is left out: no text could stand for "unchanged"."""
    return _adapter(cast("Any", kind)).dump_python(value, mode="json", exclude_defaults=True)


def typed(kind: type[T], value: Any) -> T:
    """The data class back from JSON; raises ValueError where it does not fit."""
    checked: T = _adapter(cast("Any", kind)).validate_python(value)
    return checked


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
