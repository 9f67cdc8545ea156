"""Journal: writing, and everything written so far."""

from dataclasses import replace

import streamlit as st

from ui.core import memory, session
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.memory import EntryFilter
from ui.core.trouble import show
from ui.parts.address import bound, keep
from ui.parts.arriving import Arrival, arriving, follow, say
from ui.parts.calendar import month_view
from ui.parts.cards import timeline
from ui.parts.circle import Circle, circle
from ui.parts.compose import compose
from ui.parts.filters import filters
from ui.parts.patterns import patterns
from ui.parts.search import results, search_box

_VIEWS = {"timeline": "view_agenda", "calendar": "calendar_month", "gallery": "photo_library", "patterns": "insights"}
_PAGE = 12
_MOST = 96


def render() -> None:
    """What cannot be read leaves the composer usable: writing must not depend on listing."""
    st.markdown(f"# {t('nav.journal')}", anchors=False)
    around = circle()
    compose(around)
    say()
    arrivals: dict[str, Arrival] = {}
    try:
        arrivals = _written(around)
    except ApiProblem as problem:
        show(problem, key="journal")
    follow(arrivals)


def _written(around: Circle) -> dict[str, Arrival]:
    with st.container(horizontal=True, vertical_alignment="center", key="journal-bar"):
        view = st.segmented_control(
            t("journal.view"),
            list(_VIEWS),
            required=True,
            wrap=True,
            format_func=lambda name: f":material/{_VIEWS[name]}: {t(f'journal.view.{name}')}",
            label_visibility="collapsed",
            key=bound("view", list(_VIEWS), "timeline"),
            on_change=keep,
            args=("view",),
        )
        narrowed = filters(around)
    wanted = search_box()
    if wanted:
        results(wanted, narrowed)
    elif view == "calendar":
        month_view(narrowed, around)
    elif view == "gallery":
        _gallery(narrowed, around)
    elif view == "patterns":
        patterns(narrowed)
    else:
        return _timeline(narrowed, around)
    return {}


def _timeline(narrowed: EntryFilter, around: Circle) -> dict[str, Arrival]:
    size = min(int(st.session_state.get("journal-size", _PAGE)), _MOST)
    page = memory.list_entries(session.api(), narrowed, size=size)
    if not page.entries:
        st.caption(t("journal.empty" if narrowed == EntryFilter() else "journal.nothing_found"))
        return {}
    arrivals = arriving(page.entries)
    timeline(page.entries, around, key="timeline")
    if page.next_page_token and size < _MOST:
        st.button(t("journal.more"), icon=":material/expand_more:", key="journal-more", on_click=_grow)
    return arrivals


def _grow() -> None:
    st.session_state["journal-size"] = int(st.session_state.get("journal-size", _PAGE)) + _PAGE


def _gallery(narrowed: EntryFilter, around: Circle) -> None:
    page = memory.list_entries(session.api(), replace(narrowed, kind="photo"), size=60)
    if page.entries:
        timeline(page.entries, around, key="gallery", look="gallery", headings=False)
    else:
        st.caption(t("gallery.empty"))
