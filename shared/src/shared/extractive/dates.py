"""The days, weeks, months and years a text speaks of, seen from the day it was written.

Answers are ISO 8601: "2026-03-14", and as exact as the text is where it is less so: "2026-W11", "2026-03", "2026".
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache

_Resolve = Callable[[re.Match[str], date], str | None]

_NUMBERS = {
    word: count
    for listed, counts in (
        ("one two three four five six seven eight nine ten", range(1, 11)),
        ("하루 이틀 사흘 나흘 닷새 열흘 보름", (1, 2, 3, 4, 5, 10, 15)),
        ("a an 한 두 세 네 일", (1, 1, 1, 2, 3, 4, 1)),
    )
    for word, count in zip(listed.split(), counts, strict=True)
} | {"a couple of": 2}
_COUNT_EN = r"(\d{1,3}|a couple of|an?|one|two|three|four|five|six|seven|eight|nine|ten)"
_WEEKDAYS_KO = "월화수목금토일"
_WEEKDAYS_EN = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MONTHS_EN = [name.lower() for name in calendar.month_name][1:]
_MONTH_EN = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY_EN = "(" + "|".join(_WEEKDAYS_EN) + ")"


def dates(text: str, occurred_at: datetime) -> list[str]:
    """What the text refers to, in the order of mention and without repeats; `occurred_at` in the writer's time zone."""
    today = occurred_at.date()
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, str]] = []
    for pattern, resolve in _rules():
        for match in pattern.finditer(text):
            if any(start < match.end() and match.start() < end for start, end in taken):
                continue
            answer = _resolved(resolve, match, today)
            if answer:
                taken.append(match.span())
                found.append((match.start(), answer))
    return list(dict.fromkeys(answer for _, answer in sorted(found)))


def _resolved(resolve: _Resolve, match: re.Match[str], today: date) -> str | None:
    """None where the day does not exist, such as the 30th of February or a year past the calendar's end."""
    try:
        return resolve(match, today)
    except (ValueError, OverflowError):
        return None


def _full(match: re.Match[str], today: date) -> str:
    del today
    return date(int(match["y"]), int(match["m"]), int(match["d"])).isoformat()


def _year_month(match: re.Match[str], today: date) -> str:
    del today
    return f"{date(int(match['y']), int(match['m']), 1):%Y-%m}"


def _nearest(match: re.Match[str], today: date) -> str:
    """A month and a day without a year: the one nearest to the day of writing."""
    month, day = _month(match["m"]), int(match["d"])
    years = [
        year for year in (today.year - 1, today.year, today.year + 1) if day <= calendar.monthrange(year, month)[1]
    ]
    return min((date(year, month, day) for year in years), key=lambda candidate: abs(candidate - today)).isoformat()


def _month_day_year(match: re.Match[str], today: date) -> str:
    del today
    return date(int(match["y"]), _month(match["m"]), int(match["d"])).isoformat()


def _month(name: str) -> int:
    if name.isdigit():
        return int(name)
    return next(number for number, full in enumerate(_MONTHS_EN, 1) if full.startswith(name.lower()[:3]))


def _days(offset: int) -> _Resolve:
    return lambda _, today: (today + timedelta(offset)).isoformat()


def _weeks(offset: int) -> _Resolve:
    return lambda _, today: _week(today + timedelta(weeks=offset))


def _months(offset: int) -> _Resolve:
    return lambda _, today: f"{_shifted(today, offset):%Y-%m}"


def _years(offset: int) -> _Resolve:
    return lambda _, today: f"{today.year + offset:04d}"


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def _shifted(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _counted(sign: int) -> _Resolve:
    """So many days, weeks, months or years before or after."""

    def resolve(match: re.Match[str], today: date) -> str:
        written = match["n"].lower()
        count = sign * (int(written) if written.isdigit() else _NUMBERS[written])
        unit = (match.groupdict().get("u") or "day").lower()
        if unit.startswith(("day", "일")):
            return (today + timedelta(count)).isoformat()
        if unit.startswith(("week", "주")):
            return (today + timedelta(weeks=count)).isoformat()
        if unit.startswith(("month", "달", "개월")):
            return f"{_shifted(today, count):%Y-%m}"
        return f"{date(today.year + count, 1, 1):%Y}"

    return resolve


def _weekday_of_week(weeks: int) -> _Resolve:
    """지난주 금요일: that day of the week before, weeks beginning on Monday."""

    def resolve(match: re.Match[str], today: date) -> str:
        monday = today - timedelta(today.weekday()) + timedelta(weeks=weeks)
        return (monday + timedelta(_WEEKDAYS_KO.index(match["w"]))).isoformat()

    return resolve


def _weekday(direction: int) -> _Resolve:
    """Last or next Friday, 지난 금요일: the nearest such day strictly before or after; this Friday: of this week."""

    def resolve(match: re.Match[str], today: date) -> str:
        name = match["w"].lower()
        wanted = _WEEKDAYS_KO.index(name) if name in _WEEKDAYS_KO else _WEEKDAYS_EN.index(name)
        if direction == 0:
            return (today + timedelta(wanted - today.weekday())).isoformat()
        distance = (direction * (wanted - today.weekday())) % 7 or 7
        return (today + timedelta(direction * distance)).isoformat()

    return resolve


def _ko(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![가-힣\d]){pattern}")


def _en(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b{pattern}\b", re.IGNORECASE)


@lru_cache(maxsize=1)
def _rules() -> tuple[tuple[re.Pattern[str], _Resolve], ...]:
    """Compiled at the first text, since it takes longer than everything else that is done at import."""
    return (*_expressions(), *_single_words())


def _expressions() -> Iterator[tuple[re.Pattern[str], _Resolve]]:
    """Longer expressions first: what one rule has read, a later one does not read again."""
    yield re.compile(r"(?<!\d)(?P<y>\d{4})\s*[-./]\s*(?P<m>\d{1,2})\s*[-./]\s*(?P<d>\d{1,2})(?!\d)"), _full
    yield _ko(r"(?P<y>\d{4})년\s*(?P<m>\d{1,2})월\s*(?P<d>\d{1,2})일"), _full
    yield _ko(r"(?P<y>\d{4})년\s*(?P<m>\d{1,2})월"), _year_month
    yield _ko(r"(?P<m>\d{1,2})월\s*(?P<d>\d{1,2})일"), _nearest
    yield _en(rf"(?P<m>{_MONTH_EN})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})"), _month_day_year
    yield _en(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m>{_MONTH_EN}),?\s+(?P<y>\d{{4}})"), _month_day_year
    yield _en(rf"(?P<m>{_MONTH_EN})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?"), _nearest
    yield _en(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<m>{_MONTH_EN})"), _nearest
    yield _en(r"day before yesterday"), _days(-2)
    yield _en(r"day after tomorrow"), _days(2)
    yield _en(rf"(?P<n>{_COUNT_EN})\s+(?P<u>day|week|month|year)s?\s+(?:ago|earlier|before)"), _counted(-1)
    yield _en(rf"in\s+(?P<n>{_COUNT_EN})\s+(?P<u>day|week|month|year)s?"), _counted(1)
    yield _ko(r"(?P<n>\d{1,3}|[한두세네일])\s*(?P<u>주일?|달|개월|년|일)\s*전"), _counted(-1)
    yield _ko(r"(?P<n>\d{1,3}|[한두세네일])\s*(?P<u>주일?|달|개월|년|일)\s*(?:뒤|후)"), _counted(1)
    yield _ko(r"(?P<n>하루|이틀|사흘|나흘|닷새|열흘|보름)\s*전"), _counted(-1)
    yield _ko(r"(?P<n>하루|이틀|사흘|나흘|닷새|열흘|보름)\s*(?:뒤|후)"), _counted(1)
    yield _ko(r"지지난\s?주\s*(?P<w>[월화수목금토일])요일"), _weekday_of_week(-2)
    yield _ko(r"(?:지난|저번)\s?주\s*(?P<w>[월화수목금토일])요일"), _weekday_of_week(-1)
    yield _ko(r"이번\s?주\s*(?P<w>[월화수목금토일])요일"), _weekday_of_week(0)
    yield _ko(r"다음\s?주\s*(?P<w>[월화수목금토일])요일"), _weekday_of_week(1)
    yield _ko(r"(?:지난|저번)\s*(?P<w>[월화수목금토일])요일"), _weekday(-1)
    yield _ko(r"(?:다음|돌아오는|오는)\s*(?P<w>[월화수목금토일])요일"), _weekday(1)
    yield _ko(r"이번\s*(?P<w>[월화수목금토일])요일"), _weekday(0)
    yield _en(rf"last\s+(?P<w>{_WEEKDAY_EN})"), _weekday(-1)
    yield _en(rf"next\s+(?P<w>{_WEEKDAY_EN})"), _weekday(1)
    yield _en(rf"this\s+(?P<w>{_WEEKDAY_EN})"), _weekday(0)


def _single_words() -> Iterator[tuple[re.Pattern[str], _Resolve]]:
    for korean, english, resolve in (
        (r"(?:엊그저께|엊그제|그저께|그제)", None, _days(-2)),
        (r"(?:어제|어저께|어젯밤|간밤)", "(?:yesterday|last night)", _days(-1)),
        (r"(?:오늘|아까)", "(?:today|tonight|this morning|this afternoon|this evening)", _days(0)),
        (r"내일", "tomorrow", _days(1)),
        (r"모레", None, _days(2)),
        (r"글피", None, _days(3)),
        (r"지지난\s?주", "week before last", _weeks(-2)),
        (r"(?:지난|저번)\s?주(?!말?년)", "last (?:week|weekend)", _weeks(-1)),
        (r"이번\s?주", "this (?:week|weekend)", _weeks(0)),
        (r"다음\s?주", "next (?:week|weekend)", _weeks(1)),
        (r"(?:지난|저번)\s?달", "last month", _months(-1)),
        (r"이번\s?달", "this month", _months(0)),
        (r"다음\s?달", "next month", _months(1)),
        (r"재작년", "year before last", _years(-2)),
        (r"(?:작년|지난\s?해)", "last year", _years(-1)),
        (r"올해", "this year", _years(0)),
        (r"내년", "next year", _years(1)),
    ):
        yield _ko(korean), resolve
        if english:
            yield _en(english), resolve
