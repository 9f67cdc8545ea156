"""Days a text speaks of, seen from Saturday, the 14th of March 2026."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.extractive import dates

WRITTEN = datetime(2026, 3, 14, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("오늘", "2026-03-14"),
        ("어제 전화했다", "2026-03-13"),
        ("그저께", "2026-03-12"),
        ("엊그제", "2026-03-12"),
        ("내일 간다", "2026-03-15"),
        ("모레", "2026-03-16"),
        ("사흘 전", "2026-03-11"),
        ("열흘 뒤", "2026-03-24"),
        ("3일 전", "2026-03-11"),
        ("2주 전", "2026-02-28"),
        ("일주일 후", "2026-03-21"),
        ("두 달 전", "2026-01"),
        ("6개월 뒤", "2026-09"),
        ("10년 전", "2016"),
        ("지난주", "2026-W10"),
        ("이번 주", "2026-W11"),
        ("다음 주", "2026-W12"),
        ("지난주 금요일", "2026-03-06"),
        ("다음 주 월요일", "2026-03-16"),
        ("이번 주 수요일", "2026-03-11"),
        ("지난 토요일", "2026-03-07"),
        ("지난달", "2026-02"),
        ("작년", "2025"),
        ("재작년", "2024"),
        ("내년", "2027"),
        ("2025년 12월 31일", "2025-12-31"),
        ("2024년 5월", "2024-05"),
        ("3월 20일", "2026-03-20"),
        ("12월 25일", "2025-12-25"),
        ("2026-02-28", "2026-02-28"),
        ("2026. 3. 1.", "2026-03-01"),
        ("today", "2026-03-14"),
        ("Yesterday", "2026-03-13"),
        ("the day before yesterday", "2026-03-12"),
        ("tomorrow", "2026-03-15"),
        ("last night", "2026-03-13"),
        ("two days ago", "2026-03-12"),
        ("a week ago", "2026-03-07"),
        ("in three weeks", "2026-04-04"),
        ("a couple of months ago", "2026-01"),
        ("last week", "2026-W10"),
        ("last Friday", "2026-03-13"),
        ("last Saturday", "2026-03-07"),
        ("next Monday", "2026-03-16"),
        ("this Wednesday", "2026-03-11"),
        ("next month", "2026-04"),
        ("last year", "2025"),
        ("March 30", "2026-03-30"),
        ("March 3rd, 2025", "2025-03-03"),
        ("3 March 2025", "2025-03-03"),
        ("the 5th of May", "2026-05-05"),
        ("Dec. 24", "2025-12-24"),
    ],
)
def test_one_expression(text: str, expected: str) -> None:
    assert dates(text, WRITTEN) == [expected]


@pytest.mark.parametrize(
    "text",
    ["", "2월 30일", "2026-13-45", "February 31", "99999년 전", "1월드", "I may go", "march on"],
)
def test_what_is_no_date(text: str) -> None:
    assert dates(text, WRITTEN) == []


def test_several_are_told_in_order_of_mention_and_once() -> None:
    text = "어제 만났고 3월 20일에 다시 본다. Yesterday was fun. 어제."
    assert dates(text, WRITTEN) == ["2026-03-13", "2026-03-20"]


def test_a_longer_expression_is_not_read_twice() -> None:
    assert dates("지난주 금요일", WRITTEN) == ["2026-03-06"]
    assert dates("day before yesterday", WRITTEN) == ["2026-03-12"]


def test_a_leap_day_without_a_year_is_in_the_nearest_year_that_has_one() -> None:
    assert dates("2월 29일", datetime(2025, 1, 1, tzinfo=UTC)) == ["2024-02-29"]


@settings(deadline=None)
@given(st.text(max_size=200), st.datetimes(timezones=st.just(UTC)))
def test_any_text_on_any_day_is_read_without_failing(text: str, written: datetime) -> None:
    assert all(isinstance(found, str) for found in dates(text, written))


@settings(deadline=None)
@given(st.sampled_from(["999년 전", "300 months ago", "in 500 years", "어제", "재작년"]), st.sampled_from([1, 9_999]))
def test_the_ends_of_the_calendar_do_no_harm(text: str, year: int) -> None:
    dates(text, datetime(year, 1, 1, tzinfo=UTC))
