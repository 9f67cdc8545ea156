"""Finding by meaning and by word; a hit leads to its passage."""

from typing import Any

import streamlit as st
from shared.contracts.memory import SearchHit

from ui.core import memory, session, when
from ui.core.i18n import t
from ui.core.memory import EntryFilter
from ui.parts import nav
from ui.parts.address import bound, keep
from ui.parts.browser import announce, cards
from ui.parts.cards import KIND_ICONS
from ui.parts.words import shortened


def search_box() -> str:
    """The field, and what is looked for."""
    typed = st.text_input(
        t("search.label"),
        type="search",
        placeholder=t("search.placeholder"),
        label_visibility="collapsed",
        max_chars=400,
        key=bound("q"),
        on_change=keep,
        args=("q",),
    )
    return (typed or "").strip()


def results(wanted: str, narrowed: EntryFilter) -> None:
    """Passages, best first."""
    found = memory.search(session.api(), wanted, narrowed)
    announce(t("search.found", count=len(found.hits)), key="search")
    if found.degraded:
        st.caption(t("search.degraded"))
    if not found.hits:
        st.caption(t("search.nothing"))
        return
    cards([{"items": [_hit(hit) for hit in found.hits]}], key="search-results", look="sources")


def _passage(hit: SearchHit) -> dict[str, Any]:
    return {"id": hit.entry_id, "v": hit.version, "start": hit.start, "end": hit.end}


def _hit(hit: SearchHit) -> dict[str, Any]:
    return {
        "href": nav.address("entry", **_passage(hit)),
        "title": hit.title or shortened(hit.text, 48),
        "icon": KIND_ICONS.get(hit.kind),
        "quote": shortened(hit.text, 240),
        "meta": when.day_name(when.local(hit.occurred_at).date()),
    }
