"""Rough token counts, for staying inside limits without a tokeniser."""

from __future__ import annotations


def estimate_tokens(text: str) -> int:
    """Tokens of `text`, estimated to err on the high side.

    Latin text runs at about four characters a token; Hangul and other scripts outside ASCII at about one, which is what older vocabularies need.
    """
    plain = len(text.encode("ascii", "ignore"))
    return (plain + 2) // 3 + (len(text) - plain) + 1


def cut_to_tokens(text: str, limit: int) -> str:
    """The longest beginning of `text` that is estimated to fit."""
    if estimate_tokens(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if estimate_tokens(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low]
