"""Names and positions that anybody sends: accepted in one form, or refused with a reason; never a failure of ours."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from api.http import positions
from api.http.names import Name
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from shared.http.pages import PageTokenInvalid, decode_page_token, encode_page_token

NAME: TypeAdapter[str] = TypeAdapter(Name)


@given(st.text(max_size=200))
def test_an_accepted_name_is_one_line_that_postgres_can_hold(text: str) -> None:
    try:
        name = NAME.validate_python(text)
    except ValidationError:
        return
    assert name == unicodedata.normalize("NFC", name)
    assert 1 <= len(unicodedata.normalize("NFC", name.strip())) <= 120
    assert "\x00" not in name
    assert len(name.splitlines()) == 1
    name.encode()


@pytest.mark.parametrize(
    ("given_", "kept"), [(" 지우 ", "지우"), (unicodedata.normalize("NFD", "지우"), "지우"), ("👩‍👧 Kim", "👩‍👧 Kim")]
)
def test_a_name_is_kept_as_it_is_read(given_: str, kept: str) -> None:
    assert NAME.validate_python(given_) == kept


@pytest.mark.parametrize("name", ["a\rb", "a\u2028b", "a\u202eb", "a\tb", "\x7f", "\u0085", "\ud800"])
def test_a_name_that_would_disturb_the_text_around_it_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(name)


@given(st.text(max_size=60))
def test_a_forged_position_is_a_page_token_problem_and_nothing_else(part: str) -> None:
    for read in (positions.moment, positions.identifier, positions.text, positions.number):
        try:
            value: Any = read(part)
        except PageTokenInvalid:
            continue
        assert value is not None


@pytest.mark.parametrize(
    "part",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-01-01T00:00:00", "2024-01-01", "now", "infinity"],
)
def test_a_moment_that_postgres_cannot_hold_is_refused(part: str) -> None:
    with pytest.raises(PageTokenInvalid):
        positions.moment(part)


@pytest.mark.parametrize("part", ["-1", "1.5", "٣", "9" * 19, "", " 1", "1e3"])
def test_a_number_that_is_no_bigint_is_refused(part: str) -> None:
    with pytest.raises(PageTokenInvalid):
        positions.number(part)


@given(
    st.integers(-30_000_000_000, 200_000_000_000).map(
        lambda seconds: datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1),
    st.integers(0, 10**17),
)
def test_what_a_list_puts_into_a_token_comes_back(when: datetime, name: str, number: int) -> None:
    identifier = uuid4()
    parts = decode_page_token(encode_page_token((when.isoformat(), identifier, name, str(number)), ("f",)), 4, ("f",))
    assert parts is not None
    assert positions.moment(parts[0]) == when
    assert positions.identifier(parts[1]) == identifier
    assert positions.text(parts[2]) == name
    assert positions.number(parts[3]) == number
