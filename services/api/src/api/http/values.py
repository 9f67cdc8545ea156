"""Values that routes take and Postgres can keep."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

_EARLIEST, _LATEST = 1000, 9000


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("contains a NUL character; remove it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("contains half of a surrogate pair, which is no character; remove it") from error
    return text


def _moment(value: datetime) -> datetime:
    if not _EARLIEST <= value.year <= _LATEST:
        raise ValueError(f"must lie between the years {_EARLIEST} and {_LATEST}")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _end_of_day(value: object) -> object:
    """A bare date as an upper bound means the whole of that day."""
    if isinstance(value, str) and len(value) == 10:
        try:
            return datetime.combine(date.fromisoformat(value) + timedelta(days=1), time(), UTC)
        except (ValueError, OverflowError):
            return value
    return value


STORABLE = AfterValidator(_storable)
"""Comes after a StringConstraints: pydantic strips too late when the order is the other one."""

PlainText = Annotated[str, STORABLE]
"""Text that UTF-8 and Postgres can hold: no NUL, no lone surrogate."""

Moment = Annotated[datetime, AfterValidator(_moment)]
"""A point in time in UTC; without an offset it is taken for UTC."""

Until = Annotated[Moment, BeforeValidator(_end_of_day)]
"""The end of a period, not included; a bare date includes that day."""
