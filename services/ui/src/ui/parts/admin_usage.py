"""Calls, errors, latency and cost of a period."""

from datetime import timedelta

import streamlit as st

from ui.core import operations, session, when
from ui.core.i18n import t
from ui.core.operations import Usage
from ui.parts.address import bound, keep
from ui.parts.studio_words import count, money
from ui.parts.tables import Cell, Row, facts
from ui.parts.words import plain

_DAYS = {"1": 1, "7": 7, "30": 30}
_MOST = 20


def usage() -> None:
    """The sums as figures, then who used what."""
    period = st.segmented_control(
        t("admin.period"),
        list(_DAYS),
        required=True,
        wrap=True,
        format_func=lambda days: t(f"admin.days.{days}"),
        key=bound("days", list(_DAYS), "7"),
        on_change=keep,
        args=("days",),
    )
    until = when.today()
    since, end = when.day_bounds(until - timedelta(days=_DAYS[str(period)] - 1), until)
    found = operations.usage(session.api(), since, end)
    if not found.calls:
        st.caption(t("admin.no_calls"))
        return
    _sums(found)
    _endpoints(found)
    _models(found)


def _sums(found: Usage) -> None:
    errors = f"{count(found.client_errors)} / {count(found.server_errors)}"
    latency = f"{found.p50_ms or 0:.0f} / {found.p95_ms or 0:.0f} ms"
    figures = (
        ("calls", count(found.calls)),
        ("people", count(found.people)),
        ("errors", errors),
        ("latency", latency),
        ("cost", money(found.cost_micros)),
    )
    with st.container(border=True, key="card-sums", horizontal=True):
        for name, value in figures:
            st.markdown(f":small[{t(f'admin.sum.{name}')}]  \n**{plain(value)}**", width="content")


def _endpoints(found: Usage) -> None:
    st.markdown(f"## {t('admin.endpoints')}", anchors=False)
    rows = [
        Row(
            f"{one.method} {one.endpoint}",
            (
                Cell(f"{one.method} {one.endpoint}"),
                Cell(count(one.calls)),
                Cell(f"{count(one.client_errors)} / {count(one.server_errors)}"),
                Cell(f"{one.p50_ms:.0f} / {one.p95_ms:.0f}"),
            ),
        )
        for one in found.endpoints[:_MOST]
    ]
    facts("endpoints", ("endpoint", "calls", "errors", "latency"), rows, numbers=("calls", "errors", "latency"))


def _models(found: Usage) -> None:
    st.markdown(f"## {t('admin.models')}", anchors=False)
    if not found.models:
        st.caption(t("admin.no_models"))
        return
    rows = [
        Row(
            f"{one.email}{one.model}",
            (
                Cell(one.model, one.provider),
                Cell(one.email or ""),
                Cell(count(one.events)),
                Cell(f"{count(one.input_tokens)} / {count(one.output_tokens)}"),
                Cell(money(one.cost_micros)),
            ),
        )
        for one in found.models[:_MOST]
    ]
    columns = ("model", "person", "calls", "tokens", "cost")
    facts("models", columns, rows, numbers=("calls", "tokens", "cost"))
