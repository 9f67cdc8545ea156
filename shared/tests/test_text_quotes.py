"""A quote is found exactly or not at all."""

import re
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shared.text.quotes import locate

PASSAGE = "2012년 3월, 어머니는 “괜찮아”라고 말했다. The bill was $1,204.50 — paid in full."


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("어머니는 “괜찮아”라고 말했다.", "어머니는 “괜찮아”라고 말했다"),
        ('어머니는 "괜찮아" 라고 말했다', "어머니는 “괜찮아”라고 말했다"),
        ("the BILL was 1,204.50", "The bill was $1,204.50"),
        ("ｐａｉｄ in full", "paid in full"),
        ("2012년", "2012년"),
    ],
)
def test_punctuation_space_and_width_do_not_matter(quote: str, expected: str) -> None:
    span = locate(quote, PASSAGE)
    assert span is not None
    assert PASSAGE[slice(*span)] == expected


@pytest.mark.parametrize(
    "quote",
    [
        "어머니는 “괜찮다”라고 말했다",
        "The bill was $1,205.50",
        "The bill was $1,204.5",
        "12년 3월",
        "201",
        "말했다 어머니는",
        "",
        "… — !",
    ],
)
def test_what_the_passage_does_not_say_is_not_found(quote: str) -> None:
    assert locate(quote, PASSAGE) is None


def test_a_later_match_is_found_when_an_earlier_one_is_inside_a_number() -> None:
    assert locate("12", "2012 and 12") == (9, 11)


def test_half_of_a_decimal_is_no_quote() -> None:
    assert locate("it cost 3", "It cost 3.5 million.") is None
    assert locate("it cost 3", "It cost 3. Million dollars.") == (0, 9)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=200), st.data())
def test_every_stretch_with_letters_is_found_where_its_letters_are(passage: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(passage) - 1))
    end = data.draw(st.integers(start + 1, len(passage)))
    quote = passage[start:end]
    wanted = _letters(quote)
    assume(wanted)
    assume(not any(character.isdigit() for character in unicodedata.normalize("NFKC", passage)))
    span = locate(quote, passage)
    assert span is not None
    assert _letters(passage[slice(*span)]).find(wanted) >= 0


@settings(deadline=None)
@given(st.text(max_size=100), st.text(max_size=200))
def test_what_is_found_says_the_same(quote: str, passage: str) -> None:
    span = locate(quote, passage)
    if span is not None:
        assert _letters(quote) in _letters(passage[slice(*span)])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_number_is_never_found(asked: int, said: int) -> None:
    assume(asked != said)
    assert locate(f"cost {asked} won", f"It cost {said} won.") is None


def _letters(text: str) -> str:
    folded = "".join(unicodedata.normalize("NFKC", character).lower() for character in text)
    return re.sub(r"[\W_]", "", "".join(character for character in folded if character.isalnum()))
