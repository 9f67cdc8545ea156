"""Moments and days as a person in their own time zone reads them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ui.core.i18n import language, t

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def zone() -> ZoneInfo:
    """The browser's time zone."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def today() -> date:
    return datetime.now(zone()).date()


def local(at: datetime) -> datetime:
    """The same instant on the person's clock."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone())


def day_name(day: date) -> str:
    """A day in words: today and yesterday by name, others with their weekday."""
    now = today()
    if day == now:
        return t("when.today")
    if day == now - timedelta(days=1):
        return t("when.yesterday")
    weekday = t(f"when.weekday.{day.weekday()}")
    if language() == "ko":
        year = "" if day.year == now.year else f"{day.year}년 "
        return f"{year}{day.month}월 {day.day}일 {weekday}"
    year = "" if day.year == now.year else f" {day.year}"
    return f"{weekday}, {day.day} {_MONTHS[day.month - 1]}{year}"


def day_long(day: date) -> str:
    """A day with its weekday, also when it is today."""
    weekday = t(f"when.weekday.{day.weekday()}")
    if language() == "ko":
        return f"{day.year}년 {day.month}월 {day.day}일 {weekday}"
    return f"{weekday}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def month_name(day: date) -> str:
    return f"{day.year}년 {day.month}월" if language() == "ko" else f"{_MONTHS[day.month - 1]} {day.year}"


def clock(at: datetime) -> str:
    here = local(at)
    return f"{here:%H:%M}"


def moment_name(at: datetime) -> str:
    """Day and time of an instant."""
    return f"{day_name(local(at).date())} · {clock(at)}"


def day_bounds(first: date, last: date) -> tuple[str, str]:
    """The instants between which these days lie here, as the gateway takes them; the end is exclusive."""
    start = datetime(first.year, first.month, first.day, tzinfo=zone())
    after = last + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=zone())
    return start.astimezone(UTC).isoformat(), end.astimezone(UTC).isoformat()
