"""Who is mentioned."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.extractive import people


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("엄마가 전화했다", ["엄마"]),
        ("할머니와 이모를 만났다", ["할머니", "이모"]),
        ("김민수 과장님이 칭찬했다", ["김민수 과장님"]),
        ("서연 씨에게 고마웠다", ["서연 씨"]),
        ("My mother and her brother came", ["mother", "brother"]),
        ("Mom's cake", ["mom"]),
        ("I met Tom and Priya for lunch", ["Tom", "Priya"]),
        ("Sarah said no", ["Sarah"]),
        ("Dr. Lee was kind", ["Lee"]),
        ("", []),
        ("I met nobody on Monday and Tuesday", []),
        ("형광등을 갈았다", []),
        ("아들딸", []),
        ("담임 선생님이 오셨다", []),
    ],
)
def test_people_of_a_sentence(text: str, expected: list[str]) -> None:
    assert people(text) == expected


@pytest.mark.parametrize("text", ["지우가 웃었다", "지우랑 갔다", "지우야!", "우리 지우", "지우의 그림", "Today 지우."])
def test_a_known_person_is_found_whatever_follows_the_name(text: str) -> None:
    assert people(text, ["지우"]) == ["지우"]


@pytest.mark.parametrize("text", ["지우개를 샀다", "한지우산", "Jiwoon came by train"])
def test_a_name_inside_another_word_is_not_the_person(text: str) -> None:
    assert not {"지우", "Jiwoo"} & set(people(text, ["지우", "Jiwoo"]))


def test_known_people_are_written_as_they_are_known_and_told_once() -> None:
    assert people("ANNA and anna's dog; then Bob said hi to Anna", ["Anna", "Bob", "", "Carl"]) == ["Anna", "Bob"]


def test_order_is_that_of_first_mention() -> None:
    assert people("Bob met 엄마 and Anna", ["Anna", "Bob"]) == ["Bob", "엄마", "Anna"]


@settings(deadline=None)
@given(st.text(max_size=200), st.lists(st.text(max_size=10), max_size=5))
def test_any_text_and_any_names_are_read_without_failing(text: str, known: list[str]) -> None:
    found = people(text, known)
    assert len({name.casefold() for name in found}) == len(found)
