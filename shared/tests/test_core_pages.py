"""Page tokens: what comes out is what went in, and nothing else gets through."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.http.pages import PageTokenInvalid, decode_page_token, encode_page_token
from shared.ids import new_id

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
positions = st.lists(texts, min_size=1, max_size=4)
filters = st.lists(st.none() | texts | st.integers() | st.uuids() | st.lists(texts, max_size=3), max_size=4)


@given(position=positions, chosen=filters)
def test_a_token_brings_back_its_position(position: list[str], chosen: list[object]) -> None:
    token = encode_page_token(position, chosen)
    assert decode_page_token(token, len(position), chosen) == position
    assert token.isascii()
    assert not set(token) & set("+/=&?#% ")


@given(position=positions, chosen=filters, other=filters)
def test_a_token_fits_only_the_filters_it_was_made_for(
    position: list[str], chosen: list[object], other: list[object]
) -> None:
    token = encode_page_token(position, chosen)
    if json.dumps(chosen, default=str) != json.dumps(other, default=str):
        with pytest.raises(PageTokenInvalid):
            decode_page_token(token, len(position), other)
    with pytest.raises(PageTokenInvalid):
        decode_page_token(token, len(position) + 1, chosen)


@given(st.one_of(st.text(min_size=1), st.binary(min_size=1).map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_anything_else_is_refused_and_never_breaks(token: str) -> None:
    with pytest.raises(PageTokenInvalid):
        decode_page_token(token, 2)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_any_other_json_is_refused(value: object) -> None:
    token = base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    with pytest.raises(PageTokenInvalid):
        decode_page_token(token, 1)


def test_without_a_token_it_is_the_first_page() -> None:
    assert decode_page_token(None, 2) is None
    assert decode_page_token("", 2) is None


def test_times_ids_and_numbers_come_back_as_text_that_reads_back() -> None:
    when, which = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC), new_id()
    parts = decode_page_token(encode_page_token([when, which, 0.25]), 3)
    assert parts is not None
    assert datetime.fromisoformat(parts[0]) == when
    assert UUID(parts[1]) == which
    assert float(parts[2]) == 0.25


def test_deep_nesting_is_refused() -> None:
    token = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    with pytest.raises(PageTokenInvalid):
        decode_page_token(token, 1)
