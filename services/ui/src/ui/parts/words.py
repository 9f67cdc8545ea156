"""Other people's words inside Markdown: they may look like text, never like markup."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#+!|$~:&-])")


# Addresses become links even when escaped; a word joiner keeps them words.
_AUTOLINK = re.compile(r"(?<=:)(?=//)|(?<=[wW])(?=\.)|(?<=@)")
_JOINER = "\u2060"


def plain(text: str) -> str:
    """Escape everything that Streamlit's Markdown would act on, addresses included."""
    return _MARKUP.sub(r"\\\1", _AUTOLINK.sub(_JOINER, text)).replace("\n", "  \n")


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, cut at a space where one is near."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    cut = flat[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip(" ,.;") + "…"
