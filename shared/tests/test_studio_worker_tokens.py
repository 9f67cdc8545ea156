"""A worker token is read as what was made, and as nothing else."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.studio import worker_tokens

ids = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=12)


def test_a_made_token_is_read_back() -> None:
    token, token_id, digest = worker_tokens.make_token()
    assert re.fullmatch(r"wk_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", token)
    assert worker_tokens.parse(token) == (token_id, digest)
    assert digest == hashlib.sha256(token.encode()).digest()


@given(ids)
def test_another_version_has_the_same_id_and_another_secret(token_id: str) -> None:
    token, of, digest = worker_tokens.make_token(token_id)
    other, of_other, other_digest = worker_tokens.make_token(token_id)
    assert of == of_other == token_id
    assert token != other
    assert not worker_tokens.same(digest, other_digest)
    assert worker_tokens.same(digest, bytes(bytearray(digest)))


def test_no_two_tokens_are_alike() -> None:
    made = [worker_tokens.make_token() for _ in range(500)]
    for part in range(3):
        assert len({one[part] for one in made}) == len(made)


@given(st.data())
def test_every_changed_character_changes_the_digest_or_is_no_token(data: st.DataObject) -> None:
    token, token_id, digest = worker_tokens.make_token()
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters().filter(lambda one: one != token[place]))
    read = worker_tokens.parse(token[:place] + character + token[place + 1 :])
    assert read is None or not worker_tokens.same(read[1], digest)
    assert read is None or (place >= len("wk_") and (read[0] == token_id) == (place > len("wk_") + len(token_id)))


@given(st.text(max_size=80))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert worker_tokens.parse(text) is None


@pytest.mark.parametrize("change", ["{}\n", " {}", "{}A", "Bearer {}", "{}\0", "\ufeff{}"])
def test_what_surrounds_a_token_is_not_overlooked(change: str) -> None:
    assert worker_tokens.parse(change.format(worker_tokens.make_token()[0])) is None


def test_digits_and_letters_of_other_scripts_are_no_token() -> None:
    token = worker_tokens.make_token()[0]
    assert worker_tokens.parse(f"wk_{'٣' * 12}{token[15:]}") is None
    assert worker_tokens.parse(f"{token[:-1]}ａ") is None
