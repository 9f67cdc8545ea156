"""What people call their files, as labels."""

from __future__ import annotations

import re
import unicodedata

_SEPARATORS = re.compile(r"[/\\]+")


def label(name: str | None) -> str:
    """The last part of a name, without what moves between folders or hides; never empty, at most 200 characters. It is no path."""
    last = _SEPARATORS.split(name or "")[-1]
    shown = "".join(one for one in unicodedata.normalize("NFC", last) if unicodedata.category(one)[0] != "C")
    return shown.strip().strip(".")[:200] or "result"
