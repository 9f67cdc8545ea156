"""Word lists that ship with the package, read once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "lexicons"


@lru_cache
def groups(name: str) -> dict[str, tuple[str, ...]]:
    """The lists of a file of lines `group: word word+in+phrase …`, plus signs as spaces."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (_FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            group, words = line.split(":", 1)
            found[group] = tuple(word.replace("+", " ") for word in words.split())
    return found


def words(name: str, group: str) -> frozenset[str]:
    """One list of a file as a set."""
    return frozenset(groups(name)[group])
