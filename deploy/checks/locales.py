"""Korean and English have the same keys, with the same placeholders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PLACEHOLDER = re.compile(r"\{(\w*)")


def check(root: Path) -> Iterator[str]:
    """The keys that one language lacks, and the placeholders that differ."""
    for folder in sorted(root.glob("services/*/src/*/locales")):
        english, korean = folder / "en.json", folder / "ko.json"
        where = folder.relative_to(root)
        missing = [path.name for path in (english, korean) if not path.exists()]
        yield from (f"{where}: {name} is missing" for name in missing)
        if missing:
            continue
        texts = {path.stem: dict(_flat(json.loads(path.read_text(encoding="utf-8")))) for path in (english, korean)}
        for key in sorted(texts["en"].keys() ^ texts["ko"].keys()):
            yield f"{where}: {key!r} is in one language only"
        for key in sorted(texts["en"].keys() & texts["ko"].keys()):
            if _placeholders(texts["en"][key]) != _placeholders(texts["ko"][key]):
                yield f"{where}: {key!r} has different placeholders in the two languages"


def _flat(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{prefix}.{key}" if prefix else key)
    else:
        yield prefix, str(value)


def _placeholders(text: str) -> list[str]:
    return sorted(_PLACEHOLDER.findall(text))
