"""Today: what was understood last, and what happened on this day."""

import time
from datetime import date, timedelta

import streamlit as st
from shared.contracts.memory import Entry

from ui.core import memory, session, when
from ui.core.i18n import t
from ui.core.memory import EntryFilter
from ui.parts import nav, press
from ui.parts.arriving import arriving, follow, say
from ui.parts.cards import timeline
from ui.parts.circle import Circle, circle
from ui.parts.words import plain

_LATEST = 4
_YEARS = 4
_MEMORY_S = 120.0


def render() -> None:
    around = circle()
    name = around.me.user.display_name
    greeting = t("today.greeting_name", name=plain(name)) if name else t("today.greeting")
    st.markdown(f"# {greeting}", anchors=False)
    st.caption(when.day_long(when.today()))
    say()
    page = memory.list_entries(session.api(), EntryFilter(), size=_LATEST)
    if not page.entries:
        _first_steps()
        return
    _doors()
    arrivals = arriving(page.entries)
    st.markdown(f"## {t('today.latest')}", anchors=False)
    timeline(page.entries, around, key="latest")
    _on_this_day(around)
    follow(arrivals)


def _doors() -> None:
    with st.container(horizontal=True, key="doors"):
        if press.button(t("today.write"), type="primary", icon=":material/edit_note:", key="door-write"):
            nav.go("journal")
        if press.button(t("today.ask"), icon=":material/forum:", key="door-ask"):
            nav.go("ask")


def _first_steps() -> None:
    """The empty state: three steps, of which the first is one press away."""
    with st.container(border=True, key="card-first", gap="medium"):
        for number, name in enumerate(("write", "see", "ask"), start=1):
            st.markdown(f"**{number}. {t(f'today.step.{name}')}**  \n{t(f'today.step.{name}_text')}")
        if press.button(t("today.start"), type="primary", icon=":material/edit_note:", key="first-entry"):
            nav.go("journal")


def _on_this_day(around: Circle) -> None:
    found = _memories(when.today())
    if found:
        st.markdown(f"## {t('today.on_this_day')}", anchors=False)
        timeline(found, around, key="on-this-day")


def _memories(day: date) -> list[Entry]:
    """Entries of this day a month and some years ago, read again every other minute."""
    kept: tuple[date, float, list[Entry]] | None = st.session_state.get("memories")
    if kept is not None and kept[0] == day and time.monotonic() - kept[1] < _MEMORY_S:
        return kept[2]
    found: list[Entry] = []
    for then in _same_days(day):
        since, until = when.day_bounds(then, then)
        found += memory.list_entries(session.api(), EntryFilter(since=since, until=until), size=3).entries
    st.session_state["memories"] = (day, time.monotonic(), found)
    return found


def _same_days(day: date) -> list[date]:
    month_ago = day.replace(day=1) - timedelta(days=1)
    days = [month_ago.replace(day=day.day)] if day.day <= month_ago.day else []
    if (day.month, day.day) != (2, 29):
        days += [day.replace(year=day.year - years) for years in range(1, _YEARS)]
    return days
