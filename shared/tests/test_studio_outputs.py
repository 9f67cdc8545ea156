"""Which files workers may bring, and whether the first bytes fit."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared.storage.keys import check_key, job_prefix, output_key, space_prefix
from shared.studio.outputs import output_type, plausible

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("image/png", "image/png"),
        ("Image/PNG; charset=x", "image/png"),
        ("image/jpg", "image/jpeg"),
        ("video/mp4", "video/mp4"),
        ("application/octet-stream", "application/octet-stream"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("", None),
        ("application/x-msdownload", None),
        ("image/svg+xml", None),
        ("image/png\r\nx", None),
    ],
)
def test_a_type_is_stored_under_one_name_or_not_taken(said: str, stored: str | None) -> None:
    assert output_type(said) == stored


@pytest.mark.parametrize(
    ("content_type", "head", "fits"),
    [
        ("image/png", PNG + bytes(8), True),
        ("image/png", b"\xff\xd8\xff\xe0", False),
        ("image/jpeg", PNG, False),
        ("video/mp4", b"\0\0\0\x18ftypisom", True),
        ("video/mp4", b"MZ\x90\0", False),
        ("application/zip", b"PK\x03\x04rest", True),
        ("application/json", b'{"a": 1}', True),
        ("application/json", b"\x7fELF\x02\x01", False),
        ("application/octet-stream", b"\x7fELF\x02\x01", True),
        ("application/x-unheard-of", b"anything", False),
    ],
)
def test_the_first_bytes_tell_whether_it_is_what_it_says(content_type: str, head: bytes, fits: bool) -> None:
    assert plausible(content_type, head) is fits


@given(st.text(max_size=80), st.binary(max_size=64))
def test_whatever_a_worker_says_and_sends_there_is_an_answer(said: str, head: bytes) -> None:
    stored = output_type(said)
    if stored is not None:
        assert output_type(stored) == stored
        assert plausible(stored, head) in {True, False}


@given(st.uuids(), st.uuids(), st.uuids(), st.integers(1, 2**31 - 1))
def test_each_attempt_writes_below_its_job_and_nowhere_else(space: UUID, job: UUID, task: UUID, attempt: int) -> None:
    key = output_key(space, job, task, attempt)
    assert check_key(key).startswith(job_prefix(space, job))
    assert key.startswith(space_prefix(space))
    assert key != output_key(space, job, task, attempt % (2**31 - 1) + 1)
