"""One month of the journal, day by day."""

import calendar as months
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import streamlit as st

from ui.core import memory, session, when
from ui.core.i18n import t
from ui.core.memory import EntryFilter
from ui.parts import nav
from ui.parts.browser import calendar
from ui.parts.cards import timeline
from ui.parts.circle import Circle


def month_view(narrowed: EntryFilter, around: Circle) -> None:
    """The month that the address names, and the entries of the day that was chosen in it."""
    chosen = _day(nav.asked("day"))
    first = (_day(f"{nav.asked('month')}-01") or chosen or when.today()).replace(day=1)
    last = _next(first) - timedelta(days=1)
    counts = {row.date: row.count for row in memory.overview(session.api(), first, last, narrowed).days}
    pressed = calendar(_month(first, counts, chosen), key="calendar")
    if pressed:
        _press(pressed)
    if chosen is not None and chosen.replace(day=1) == first:
        _entries(chosen, narrowed, around)
    elif not counts:
        st.caption(t("calendar.empty"))


def _press(pressed: str) -> None:
    """A day shows its entries, a month turns the page."""
    if len(pressed) == len("2026-01"):
        st.query_params["month"] = pressed
        st.query_params.pop("day", None)
    else:
        st.query_params["day"] = pressed
    st.rerun()


def _entries(day: date, narrowed: EntryFilter, around: Circle) -> None:
    since, until = when.day_bounds(day, day)
    page = memory.list_entries(session.api(), replace(narrowed, since=since, until=until), size=50)
    if page.entries:
        timeline(page.entries, around, key=f"day-{day}")
    else:
        st.caption(t("calendar.empty_day"))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _next(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _month(first: date, counts: dict[date, int], chosen: date | None) -> dict[str, Any]:
    before = first - timedelta(days=1)
    weeks = months.Calendar(firstweekday=6).monthdatescalendar(first.year, first.month)
    return {
        "label": when.month_name(first),
        "weekdays": [t(f"when.weekday_short.{n}") for n in (6, 0, 1, 2, 3, 4, 5)],
        "weeks": [[_cell(day, first, counts) for day in week] for week in weeks],
        "previous": f"{before:%Y-%m}",
        "next": f"{_next(first):%Y-%m}",
        "previousLabel": t("calendar.previous"),
        "nextLabel": t("calendar.next"),
        "chosen": chosen.isoformat() if chosen else "",
    }


def _cell(day: date, first: date, counts: dict[date, int]) -> dict[str, Any] | None:
    if day.month != first.month:
        return None
    count = counts.get(day, 0)
    label = t("calendar.day", day=when.day_name(day), count=count)
    return {"day": day.day, "date": day.isoformat(), "count": count, "label": label, "today": day == when.today()}
