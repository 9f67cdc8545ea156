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


# Without marks and parts of syllables, which belong to the character before them; they have tests of their own.
separate = st.characters(exclude_categories=["Mn", "Mc", "Me", "Cs"]).filter(
    lambda character: not ("\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff")
)


@settings(deadline=None)
@given(st.text(separate, min_size=1, max_size=200), st.data())
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
@given(st.text(separate, max_size=100), st.text(separate, max_size=200))
def test_what_is_found_says_the_same(quote: str, passage: str) -> None:
    span = locate(quote, passage)
    if span is not None:
        assert _letters(quote) in _letters(passage[slice(*span)])


@pytest.mark.parametrize(
    ("quote", "passage"),
    [
        ("it cost 35 million", "It cost 3.5 million."),
        ("it cost 3.5 million", "It cost 35 million."),
        ("we were 34", "We were 3, 4 of us stayed"),
        ("page 34", "pages 3,4"),
        ("at 1230", "at 12:30"),
        ("2026314", "2026. 3. 14."),
        ("120450", "1,204.50"),
        ("1,2045", "1,204.5"),
        ("½", "12"),
        ("무게는 35킬로", "무게는 3.5킬로"),
        ("1만 2천", "12만 천"),
        ("١٢٫٥", "١٢٥"),
    ],
)
def test_a_point_that_is_lost_or_added_makes_another_number(quote: str, passage: str) -> None:
    assert locate(quote, passage) is None


@pytest.mark.parametrize(
    ("quote", "passage"),
    [
        ("1204 won", "1,204 won"),
        ("1,204,000원", "1204000원"),
        ("2026.3.14", "2026. 3. 14."),
        ("2026-03-14", "2026/03/14"),
        ("½", "1/2"),
        ("1 000", "1.000"),
        ("3.5", "３．５"),
        ("１２월", "12월"),
        ("no. 5, page 12", "No 5 page 12"),
    ],
)
def test_a_number_written_another_way_is_the_same(quote: str, passage: str) -> None:
    span = locate(quote, passage)
    assert span is not None
    assert locate(passage[slice(*span)], quote) is not None


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**7), st.integers(1, 6), st.text("ab 가", max_size=5))
def test_a_decimal_point_is_never_moved(number: int, place: int, around: str) -> None:
    digits = str(number).rjust(8, "1")
    said = f"{around} {digits[:place]}.{digits[place:]} {around}"
    assert locate(f"{digits[:place]}.{digits[place:]}", said) is not None
    for other in (digits, *(f"{digits[:at]}.{digits[at:]}" for at in range(1, 8) if at != place)):
        assert locate(other, said) is None


korean = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1, max_size=12)


@settings(deadline=None, max_examples=60)
@given(korean, korean, korean, st.sampled_from(["NFC", "NFD"]), st.sampled_from(["NFC", "NFD"]))
def test_composed_and_decomposed_korean_is_the_same_text(
    before: str, quote: str, after: str, form: str, other: str
) -> None:
    passage = unicodedata.normalize(form, f"{before} {quote} {after}")
    span = locate(unicodedata.normalize(other, quote), passage)
    assert span is not None
    assert quote in unicodedata.normalize("NFC", passage[slice(*span)])


def test_an_accent_is_part_of_its_letter_however_it_is_written() -> None:
    decomposed = unicodedata.normalize("NFD", "Le café est fermé.")
    span = locate("café est fermé", decomposed)
    assert span is not None
    assert unicodedata.normalize("NFC", decomposed[slice(*span)]) == "café est fermé"
    assert locate("cafe", decomposed) is None
    assert locate("cafe", "café") is None


def test_a_syllable_is_not_cut() -> None:
    """A quote that ends in 가 does not come from 각, though the letters of 가 are the first two of 각."""
    assert locate("가", unicodedata.normalize("NFD", "각")) is None
    assert locate(unicodedata.normalize("NFD", "가"), "각") is None


@pytest.mark.parametrize("passage", ["", " ", "́", "́́a", "ᅡ", "‍", "👨‍👩‍👧 가족"])
def test_marks_without_a_letter_before_them_do_no_harm(passage: str) -> None:
    assert locate("가족", passage) == (locate("가족", passage) and (passage.index("가족"), passage.index("가족") + 2))


def test_a_quote_of_a_page_is_found_within_it() -> None:
    page = "".join(f"{n}번째 문장은 {n * 7}원이라고 말한다. " for n in range(400))
    assert locate(page[1_000:9_000].strip(), page) is not None


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_another_number_is_never_found(asked: int, said: int) -> None:
    assume(asked != said)
    assert locate(f"cost {asked} won", f"It cost {said} won.") is None


def _letters(text: str) -> str:
    folded = "".join(unicodedata.normalize("NFKC", character).lower() for character in text)
    return re.sub(r"[\W_]", "", "".join(character for character in folded if character.isalnum()))
