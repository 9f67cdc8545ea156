"""The product's Python files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FOLDERS = ("shared/src", "services", "deploy")


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file."""

    path: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The top-level package, such as `api`."""
        parts = Path(self.path).parts
        return parts[parts.index("src") + 1] if "src" in parts else parts[0]


def product(root: Path) -> Iterator[Source]:
    """Every file that ships, tests left out."""
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            relative = path.relative_to(root)
            if "tests" in relative.parts or any(part.startswith(".") for part in relative.parts):
                continue
            text = path.read_text(encoding="utf-8")
            yield Source(str(relative), text, ast.parse(text, str(relative)))
