"""Names that people give: one line of printable text."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

# Control characters, surrogates, and what turns the direction of the text around it.
_UNPRINTABLE = {"Cc", "Cs"}
_TURNING = {
    "\u2028",
    "\u2029",
    "\u202a",
    "\u202b",
    "\u202c",
    "\u202d",
    "\u202e",
    "\u2066",
    "\u2067",
    "\u2068",
    "\u2069",
}


def one_line(text: str) -> str:
    """The text in NFC; raises `ValueError` when it breaks the line, turns its direction or cannot be seen."""
    if any(unicodedata.category(character) in _UNPRINTABLE or character in _TURNING for character in text):
        raise ValueError("contains a line break, a control character or half of a surrogate pair; remove it")
    return unicodedata.normalize("NFC", text)


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(one_line)]
"""1 to 120 characters on one line, without spaces around."""
