"""Insights without a model, at the edges: denials, particles, texts without words, days around new year."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.extractive import Passage, answer, dates, emotions, insights, keywords, people, summarise

WRITTEN = datetime(2026, 3, 14, 21, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["😀😀 ! " * 60, "... " * 100, "!?! " * 100, "the of and. " * 30, "!!!\n" * 40, "🌧️. 그. " * 40, "\u200b. " * 90],
)
def test_a_text_without_words_has_a_summary_and_no_trouble(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(summarise(text)) <= 301
        assert summarise(text) == summarise(text)


def test_sentences_without_words_are_not_chosen_while_others_have_some() -> None:
    text = (
        "!!! ... ??? The heron stood in the reeds by the lake. ... The lake was still, and the heron waited. !!! Home."
    )
    assert "!!!" not in summarise(text)
    assert "heron" in summarise(text)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_summary_has_as_many_sentences_as_asked(count: int) -> None:
    text = " ".join(
        f"Sentence {word} tells of the {word} by the river." for word in ["oak", "elm", "ash", "yew", "fir"]
    )
    assert summarise(text, sentence_count=count).count("Sentence") == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("어제", "2025-12-31"),
        ("그저께", "2025-12-30"),
        ("지난달", "2025-12"),
        ("지난주", "2025-W52"),
        ("이번 주", "2026-W01"),
        ("작년", "2025"),
        ("12월 31일", "2025-12-31"),
        ("1월 2일", "2026-01-02"),
        ("yesterday", "2025-12-31"),
        ("a month ago", "2025-12"),
        ("in two weeks", "2026-01-15"),
        ("last Thursday", "2025-12-25"),
        ("next Thursday", "2026-01-08"),
        ("Dec 31", "2025-12-31"),
        ("13 months ago", None),
        ("열두 달 전", None),
    ],
)
def test_days_around_new_year(text: str, expected: str | None) -> None:
    found = dates(text, NEW_YEAR)
    assert found == ([expected] if expected else found)


@pytest.mark.parametrize("text", ["2월 29일", "Feb 29", "29 February"])
@pytest.mark.parametrize("year", [2024, 2025, 2026, 2027, 2028])
def test_a_leap_day_is_a_leap_day_or_nothing(text: str, year: int) -> None:
    assert set(dates(text, datetime(year, 3, 1, tzinfo=UTC))) <= {"2024-02-29", "2028-02-29"}


@settings(max_examples=80)
@given(st.dates(datetime(1990, 1, 1, tzinfo=UTC).date(), datetime(2090, 1, 1, tzinfo=UTC).date()))
def test_every_full_day_is_read_in_either_language(day: object) -> None:
    from datetime import date

    assert isinstance(day, date)
    month = day.strftime("%B")
    for text in (
        day.isoformat(),
        f"{day.year}년 {day.month}월 {day.day}일",
        f"{day.year}. {day.month}. {day.day}.",
        f"{month} {day.day}, {day.year}",
        f"{day.day} {month[:3]} {day.year}",
    ):
        assert dates(f"그날은 {text} 이었다", WRITTEN) == [day.isoformat()], text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("안 슬펐다", set()),
        ("슬프지 않았다", set()),
        ("전혀 화나지 않았다", set()),
        ("I am not angry at all", set()),
        ("기쁘고 고맙다", {"joy", "gratitude"}),
        ("无", set()),
    ],
)
def test_feelings_with_and_without_denial(text: str, shown: set[str]) -> None:
    found = {emotion.label for emotion in emotions(text)}
    assert shown <= found
    assert not found & ({"sadness", "anger"} - shown)


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("지우가 웃었다", ["지우"], ["지우"]),
        ("지우개를 샀다", ["지우"], []),
        ("ANNA called", ["Anna"], ["Anna"]),
        ("Annabel called me", ["Anna"], ["Annabel"]),
        ("", ["Anna"], []),
        ("x", ["", "  "], []),
        ("a.b said hi", ["a.b", "(", "["], ["a.b"]),
        ("민수랑 민수가", ["민수", "민수"], ["민수"]),
        ("Zoe, then Abe", ["Abe", "Zoe"], ["Zoe", "Abe"]),
    ],
)
def test_known_people_are_told_as_they_are_known(text: str, known: list[str], expected: list[str]) -> None:
    assert people(text, known) == expected


def test_a_person_is_no_topic() -> None:
    found = insights("Heron watching with Priya. Priya saw a heron.", occurred_at=WRITTEN, known_people=["Priya"])
    assert found.people == ["Priya"]
    assert "priya" not in found.topics
    assert "heron" in found.topics


def test_of_an_endless_text_the_beginning_is_read() -> None:
    text = "The heron stood by the lake. " * 3_000 + "Yesterday the walrus came."
    found = insights(text, occurred_at=WRITTEN)
    assert found.dates == []
    assert "walrus" not in found.topics
    assert keywords("고래가 왔다. 고래를 봤다.", most=1) == ["고래"]


def test_an_answer_is_quoted_from_the_better_passage_first() -> None:
    passages = [Passage("We fed the ducks."), Passage("The heron ate a frog by the lake. It rained.")]
    answered = answer("What did the heron eat by the lake?", passages)
    assert answered.extracts[0].passage == 1
    assert answered.extracts[0].text == "The heron ate a frog by the lake."
    assert answer("heron lake", passages, most=0).extracts == []
    assert answer("heron lake", [Passage(""), Passage(" ")]).refused
