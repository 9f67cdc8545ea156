"""A question and its finished answer with numbered sources."""

from typing import Any

import streamlit as st
from shared.contracts.conversation import Citation, Message

from ui.core.i18n import t
from ui.core.trouble import explain_code
from ui.parts import nav
from ui.parts.browser import answer, cards
from ui.parts.words import plain, shortened

_STATES = {
    "verified": ("green", "verified"),
    "misattributed": ("amber", "help"),
    "missing": ("amber", "help"),
    "source-deleted": ("plain", "delete"),
}


def question(message: Message) -> None:
    with st.container(key=f"question-{message.id}"):
        st.markdown(plain(message.content))


def final_answer(message: Message) -> None:
    """The text with its markers as links, how it came to be, and the sources in their order."""
    links = {str(c.n): _address(c) for c in message.citations if c.state != "source-deleted"}
    with st.container(key=f"answer-{message.id}", gap="small"):
        if message.content:
            answer(message.content, links, t("ask.source_n"), key=f"text-{message.id}")
        _footing(message)
        if message.citations:
            cards([_sources(message)], key=f"sources-{message.id}", look="sources")


def _footing(message: Message) -> None:
    """What a person must know about this answer: stopped, failed, or quoted without a model."""
    if message.status == "cancelled":
        st.badge(t("ask.stopped"), icon=":material/stop_circle:", color="gray")
    elif message.status in ("failed", "interrupted"):
        st.error(explain_code(str((message.error or {}).get("code") or message.status)), icon=":material/error:")
    elif message.provider == "offline":
        st.badge(t("ask.offline"), icon=":material/format_quote:", color="gray")


def _address(citation: Citation) -> str:
    return nav.address("entry", id=str(citation.entry_id), v=citation.version, start=citation.start, end=citation.end)


def _sources(message: Message) -> dict[str, Any]:
    return {"heading": t("ask.sources"), "items": [_source(c) for c in sorted(message.citations, key=lambda c: c.n)]}


def _source(citation: Citation) -> dict[str, Any]:
    tone, icon = _STATES.get(citation.state, ("amber", "help"))
    gone = citation.state == "source-deleted"
    return {
        "n": citation.n,
        "href": None if gone else _address(citation),
        "title": citation.title or t("ask.source_entry"),
        "quote": shortened(citation.quote, 220),
        "badges": [{"text": t(f"citation.{citation.state}"), "tone": tone, "icon": icon}],
    }
