"""Topics and moods over time, as charts and in words."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import streamlit as st
from shared.contracts.memory import InsightsOverview, MoodWeek

from ui.core import memory, session, when
from ui.core.i18n import t
from ui.core.memory import EntryFilter
from ui.parts.address import bound, keep
from ui.parts.cards import emotion_name
from ui.parts.words import plain

_WEEKS = {"4": 4, "12": 12, "52": 52}


def patterns(narrowed: EntryFilter) -> None:
    """What one writes about and how one feels; the gateway counts, this only draws."""
    period = st.segmented_control(
        t("patterns.period"),
        list(_WEEKS),
        required=True,
        wrap=True,
        format_func=lambda weeks: t(f"patterns.weeks.{weeks}"),
        key=bound("weeks", list(_WEEKS), "12"),
        on_change=keep,
        args=("weeks",),
    )
    until = when.today()
    since = until - timedelta(weeks=_WEEKS[str(period)])
    found = memory.overview(session.api(), since, until, narrowed)
    if not found.topics and not found.moods:
        st.info(t("patterns.empty"), icon=":material/insights:")
        return
    _topics(found)
    _moods(found)


def _topics(found: InsightsOverview) -> None:
    rows = found.topics[:10]
    if not rows:
        return
    words = t("patterns.topics_words", topics=", ".join(f"{row.topic} {row.count}" for row in rows[:5]))
    spec = {
        "grid": {"left": 8, "right": 32, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "show": False},
        "yAxis": {
            "type": "category",
            "inverse": True,
            "data": [row.topic for row in rows],
            "axisTick": {"show": False},
            "axisLine": {"show": False},
        },
        "series": [
            {
                "type": "bar",
                "barMaxWidth": 18,
                "itemStyle": {"borderRadius": [4, 9, 9, 4]},
                "label": {"show": True, "position": "right"},
                "data": [row.count for row in rows],
            }
        ],
    }
    _chart(t("patterns.topics"), spec, words, 48 + 30 * len(rows), key="topics")
    _table((t("patterns.topic"), t("patterns.count")), [(row.topic, str(row.count)) for row in rows])


def _moods(found: InsightsOverview) -> None:
    by_label: dict[str, dict[str, MoodWeek]] = defaultdict(dict)
    for row in found.moods:
        by_label[row.label][row.week.isoformat()] = row
    if not by_label:
        return
    weeks = sorted({row.week.isoformat() for row in found.moods})
    totals = {label: sum(row.count for row in rows.values()) for label, rows in by_label.items()}
    labels = sorted(by_label, key=lambda label: -totals[label])[:7]
    words = t("patterns.moods_words", moods=", ".join(f"{emotion_name(label)} {totals[label]}" for label in labels[:5]))
    series: list[dict[str, Any]] = [
        {
            "name": emotion_name(label),
            "type": "bar",
            "stack": "moods",
            "barMaxWidth": 34,
            "data": [by_label[label][week].count if week in by_label[label] else 0 for week in weeks],
        }
        for label in labels
    ]
    spec = {
        "grid": {"left": 8, "right": 8, "top": 48, "bottom": 8, "containLabel": True},
        "legend": {"top": 0, "left": 0, "type": "scroll"},
        "xAxis": {"type": "category", "data": [f"{week[5:7]}/{week[8:]}" for week in weeks]},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": series,
    }
    _chart(t("patterns.moods"), spec, words, 300, key="moods")
    rows = [
        (
            f"{week[5:7]}/{week[8:]}",
            ", ".join(f"{emotion_name(n)} {by_label[n][week].count}" for n in labels if week in by_label[n]),
        )
        for week in weeks
    ]
    _table((t("patterns.week"), t("patterns.moods")), rows)


def _chart(title: str, spec: dict[str, Any], words: str, height: int, *, key: str) -> None:
    with st.container(border=True, key=f"card-{key}"):
        st.markdown(f"### {title}", anchors=False)
        st.caption(plain(words))
        st.echarts_chart({"animation": False, **spec}, height=height, renderer="svg", alt=words, key=f"chart-{key}")


def _table(heads: tuple[str, str], rows: list[tuple[str, str]]) -> None:
    """The same numbers as text, for anyone who cannot or will not read a chart."""
    with st.expander(t("patterns.as_table"), icon=":material/table_rows:"):
        lines = [f"| {heads[0]} | {heads[1]} |", "| --- | --- |"]
        lines += [f"| {plain(first)} | {plain(second)} |" for first, second in rows]
        st.markdown("\n".join(lines))
