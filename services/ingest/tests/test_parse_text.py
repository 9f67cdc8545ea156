"""Encodings and tidiness, as pure functions under many inputs."""

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from ingest.parse.errors import FileRefused, FileTypeMismatch
from ingest.parse.plain import decode
from ingest.parse.tidy import document, language_of, tidy, tidy_title

SENTENCES = st.lists(
    st.sampled_from(
        [
            "오늘은 아이와 공원에 갔다.",
            "비가 와서 집에서 책을 읽었다!",
            "Then we had lunch (수제비) together.",
            "2024년 5월 1일, 서울 – 맑음",
            "뷁 똠 펲 햏",
            "\n\n",
            "A plain English line, with nothing odd in it.",
        ]
    ),
    min_size=1,
    max_size=30,
)
characters = st.characters(exclude_categories=["Cs", "Co", "Cn"])


@given(SENTENCES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_a_marked_or_utf8_text_comes_back(sentences: list[str], encoding: str) -> None:
    text = " ".join(sentences)
    assert decode(text.encode(encoding))[0].removeprefix("\ufeff") == text


@given(SENTENCES)
def test_korean_in_cp949_comes_back(sentences: list[str]) -> None:
    text = "오늘은 바람이 시원하고 하늘이 맑았다. " + " ".join(sentences).replace("–", "-")
    assert decode(text.encode("cp949"))[0] == text


@given(st.text(characters, max_size=300))
def test_whatever_is_utf8_is_read_as_utf8(text: str) -> None:
    assume("\0" not in text)
    try:
        decoded, encoding = decode(text.encode())
    except FileTypeMismatch:
        assert sum(unicodedata.category(character) == "Cc" for character in text) > 2
    else:
        assert encoding in {"utf-8", "utf-16", "utf-32"}
        assert decoded.lstrip("\ufeff") == text.lstrip("\ufeff")


@given(st.binary(max_size=500))
@example(b"\xff\xfe")
@example(b"\x00")
@example(b"\xfe\xff\xd8\x00")
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text, _ = decode(data)
    except FileRefused:
        return
    tidy(text).encode()


def test_a_text_cut_within_a_character_is_still_read() -> None:
    assert decode("가족 이야기를 적는다. 하루를 돌아본다.".encode()[:-2])[1] == "utf-8"


@given(st.text(max_size=300))
def test_tidying_twice_changes_nothing(text: str) -> None:
    once = tidy(text)
    assert tidy(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not set(once) & {"\0", "\r", "\x0c", "\u2028", "\ufeff", "\u202e"}
    once.encode()


@given(st.lists(st.text(max_size=60), max_size=12))
def test_pages_are_slices_of_the_text_in_order(pages: list[str]) -> None:
    parsed = document(pages, None)
    assert [parsed.text[start:end] for start, end in parsed.pages] == [tidy(page) for page in pages]
    assert list(parsed.pages) == sorted(parsed.pages)
    assert parsed.text == "\n\n".join(tidy(page) for page in pages if tidy(page))


@given(st.none() | st.text(max_size=500))
def test_a_title_is_one_line_or_none(title: str | None) -> None:
    tidied = tidy_title(title)
    assert tidied is None or (0 < len(tidied) <= 300 and "\n" not in tidied)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("오늘 회의에서 Kubernetes migration 이야기를 했다", "ko"),
        ("We ate 김치 for lunch and then walked along the river", "en"),
        ("", None),
        ("123 456", None),
        ("今日は天気がいい", None),
    ],
)
def test_the_language_follows_the_script(text: str, language: str | None) -> None:
    assert language_of(text) == language
