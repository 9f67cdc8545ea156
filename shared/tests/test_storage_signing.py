"""Signed addresses, keys and file names, as pure functions."""

from urllib.parse import parse_qsl, quote, unquote, urlencode
from uuid import uuid4

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from shared.storage import InvalidObjectKey, LinkExpired, LinkRefused
from shared.storage.disposition import content_disposition, safe_filename
from shared.storage.keys import (
    check_key,
    check_prefix,
    display_key,
    incoming_key,
    incoming_prefix,
    original_key,
    space_prefix,
    thumbnail_key,
)
from shared.storage.signing import Grant, sign, verify

SECRET = b"a secret for tests"
segments = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,30}", fullmatch=True)
keys = st.lists(segments, min_size=1, max_size=6).map("/".join)
readable = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
grants = st.builds(
    Grant,
    method=st.sampled_from(["GET", "PUT"]),
    key=keys,
    expires=st.integers(1_000, 2**40),
    size=st.none() | st.integers(0, 2**40),
    content_type=st.none() | readable,
    sha256=st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    filename=st.none() | readable,
    parts=st.none() | st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    part=st.none() | st.integers(1, 10_000),
)


def taken_apart(address: str) -> tuple[str, str]:
    path, _, query = address.partition("?")
    return unquote(path), query


@given(grants)
def test_what_was_signed_comes_back(grant: Grant) -> None:
    key, query = taken_apart(sign(SECRET, grant))
    assert verify([SECRET], grant.method, key, query, grant.expires - 1) == grant


@given(grants)
def test_an_address_ends_when_it_says(grant: Grant) -> None:
    key, query = taken_apart(sign(SECRET, grant))
    with pytest.raises(LinkExpired):
        verify([SECRET], grant.method, key, query, grant.expires)


@given(grants, grants)
def test_no_address_serves_for_another(grant: Grant, other: Grant) -> None:
    assume(grant != other)
    _, query = taken_apart(sign(SECRET, grant))
    signature = dict(parse_qsl(query))["signature"]
    key, theirs = taken_apart(sign(SECRET, other))
    forged = {**dict(parse_qsl(theirs, keep_blank_values=True)), "signature": signature}
    with pytest.raises(LinkRefused):
        verify([SECRET], other.method, key, urlencode(forged), 0)


@given(grants, st.sampled_from(["GET", "PUT"]), keys)
def test_method_and_key_are_bound(grant: Grant, method: str, key: str) -> None:
    assume((method, key) != (grant.method, grant.key))
    _, query = taken_apart(sign(SECRET, grant))
    with pytest.raises(LinkRefused):
        verify([SECRET], method, key, query, 0)  # type: ignore[arg-type] # sampled strings


@given(st.text(max_size=300))
@example("expires=99&expires=99&signature=" + "0" * 64)
@example("expires=1e3&signature=" + "0" * 64)
@example("expires=-1&signature=" + "0" * 64)
@example("expires=99&signature=" + "0" * 64 + "&size=07")
@example("expires=٣&signature=" + "0" * 64)
@example("expires=99&filename=%ff&signature=" + "0" * 64)
@example("")
def test_noise_is_refused(query: str) -> None:
    with pytest.raises(LinkRefused):
        verify([SECRET], "GET", "a", query, 0)


def test_an_endless_query_is_refused() -> None:
    _, query = taken_apart(sign(SECRET, Grant("GET", "a", 10, filename="x" * 5_000)))
    with pytest.raises(LinkRefused):
        verify([SECRET], "GET", "a", query, 0)


def test_an_old_secret_serves_until_it_is_withdrawn() -> None:
    key, query = taken_apart(sign(b"an older secret..", Grant("GET", "a", 10)))
    assert verify([SECRET, b"an older secret.."], "GET", key, query, 0).key == "a"
    with pytest.raises(LinkRefused):
        verify([SECRET], "GET", key, query, 0)


@given(keys)
def test_a_key_survives_an_address(key: str) -> None:
    assert check_key(key) == key == unquote(quote(key))


@given(st.text(max_size=40))
def test_whatever_passes_as_a_key_stays_inside(text: str) -> None:
    try:
        key = check_key(text)
    except InvalidObjectKey:
        return
    assert all(part not in {"", ".", ".."} and not part.startswith(".") for part in key.split("/"))
    assert key.isascii()
    assert key == key.lower()


def test_keys_of_an_upload_lie_side_by_side() -> None:
    space, upload = uuid4(), uuid4()
    key = original_key(space, upload)
    assert key.startswith(space_prefix(space))
    assert {thumbnail_key(key), display_key(key)} == {
        f"spaces/{space}/{upload}/thumbnail",
        f"spaces/{space}/{upload}/display",
    }
    assert incoming_key(key).startswith(incoming_prefix(space))
    for made in (key, incoming_key(key), thumbnail_key(key), display_key(key)):
        assert check_key(made)
    for prefix in (space_prefix(space), incoming_prefix(space)):
        assert check_prefix(prefix)


@given(st.text(max_size=300))
def test_a_file_name_is_only_a_name(name: str) -> None:
    safe = safe_filename(name)
    assert 0 < len(safe) <= 120
    assert not set(safe) & set('/\\"\r\n\x00')
    assert safe not in {".", ".."}


@given(st.text(max_size=100))
def test_a_disposition_is_one_clean_header(name: str) -> None:
    header = content_disposition("text/html", name)
    header.encode("ascii")
    assert header.startswith("attachment; filename=")
    assert "\n" not in header
    assert "\r" not in header


def test_only_what_cannot_run_is_shown_in_place() -> None:
    assert content_disposition("image/webp", None) == "inline"
    for content_type in ("text/html", "image/svg+xml", "application/pdf", "text/plain", None):
        assert content_disposition(content_type, None) == "attachment"


def test_a_long_name_keeps_its_extension() -> None:
    assert safe_filename("가" * 300 + ".pdf").endswith("가.pdf")
