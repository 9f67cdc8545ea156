"""Other people's words inside Markdown: they may look like text, never like markup."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#+!|$~:&-])")


def plain(text: str) -> str:
    """Escape everything that Streamlit's Markdown would act on."""
    return _MARKUP.sub(r"\\\1", text).replace("\n", "  \n")


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, cut at a space where one is near."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    cut = flat[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit // 2 else cut).rstrip(" ,.;") + "…"
