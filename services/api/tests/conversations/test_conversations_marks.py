"""Reading a model's answer piece by piece."""

from __future__ import annotations

import pytest
from api.conversations.marks import AnswerReader, Cited, NothingFound, Piece, Said, links_in
from hypothesis import example, given
from hypothesis import strategies as st

WORDS = st.sampled_from(
    [
        "[", "]", "(", ")", ":", ";", ",", '"', "“", "”", "1", "2", "17", " ", "none", "[none]", "quote", "인용", "\n", "<", "img", "!", "/",
        "http", "https://", "www.", "://", "a.b/c", "[1: \"", '"]', "[2]", "[1, 2]", "](", "]:", "‘", "’", ".",
    ]
)  # fmt: skip
TEXTS = st.lists(WORDS, max_size=40).map("".join) | st.text(max_size=80)


def read(text: str, cuts: list[int] | None = None, **options: object) -> list[Piece]:
    reader = AnswerReader(**options)  # type: ignore[arg-type]  # options are spread by name
    pieces: list[Piece] = []
    start = 0
    for cut in [*sorted(cut % (len(text) + 1) for cut in cuts or []), len(text)]:
        for piece in reader.feed(text[start:cut]):
            join(pieces, piece)
        start = cut
    for piece in reader.finish():
        join(pieces, piece)
    return pieces


def join(pieces: list[Piece], piece: Piece) -> None:
    if isinstance(piece, Said) and pieces and isinstance(pieces[-1], Said):
        pieces[-1] = Said(pieces[-1].text + piece.text)
    else:
        pieces.append(piece)


@given(TEXTS, st.lists(st.integers(0, 400), max_size=8))
@example('[1: "a", 2"]', [9])
@example('[1: "' + "x" * 950 + '"]', [900])
@example("https://a.b/" + "c" * 2100 + " d", [2000])
@example('x [1, 2: "a"; 3] y', [4, 5, 6, 7])
def test_how_a_text_is_cut_up_does_not_matter(text: str, cuts: list[int]) -> None:
    assert read(text, cuts) == read(text)


@given(TEXTS)
def test_nothing_a_renderer_would_follow_is_left(text: str) -> None:
    shown = "".join(
        piece.text if isinstance(piece, Said) else "[9]" if isinstance(piece, Cited) else "" for piece in read(text)
    )
    assert "](" not in shown
    assert "]:" not in shown
    assert not links_in(shown)
    assert "<img" not in shown


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain words", [Said("plain words")]),
        ('a claim [2: "its words"].', [Said("a claim "), Cited(2, "its words"), Said(".")]),
        ("한국어 [1: “그대로 옮긴 말”]", [Said("한국어 "), Cited(1, "그대로 옮긴 말")]),
        ("[1：「引用」]", [Cited(1, "引用")]),
        ("bare [3]", [Said("bare "), Cited(3, None)]),
        ("two [1, 2]", [Said("two "), Cited(1, None), Cited(2, None)]),
        ('two [1: "a"; 2: "b"]', [Said("two "), Cited(1, "a"), Cited(2, "b")]),
        ('[1: "he said "yes", then left"]', [Cited(1, 'he said "yes", then left')]),
        ('[1: "array[0] = 3"]', [Cited(1, "array[0] = 3")]),
        ("[none]", [NothingFound()]),
        (" [NONE] ", [Said(" "), NothingFound(), Said(" ")]),
        ("[note] and [a1]", [Said("[note] and [a1]")]),
        ("[2026-01-02]", [Said("[2026-01-02]")]),
        ("[1234]", [Said("[1234]")]),
        ("open [", [Said("open [")]),
        ('cut [1: "the beginning', [Said("cut "), Cited(1, "the beginning")]),
        ("cut [1", [Said("cut ")]),
        ("[a](https://evil.example/?q=secret)", [Said("[a] ((link removed))")]),
        ("![x](//evil.example/secret.png)", [Said("![x] (//evil.example/secret.png)")]),
        ("[1](evil)", [Cited(1, None), Said(" (evil)")]),
        ("see www.evil.example.", [Said("see (link removed).")]),
        ("ftp://evil.example/x", [Said("ftp(link removed)")]),
        ('<img src="x">', [Said('< img src="x">')]),
        ("5 < 6 and x <3", [Said("5 < 6 and x <3")]),
    ],
)
def test_what_is_made_of_it(text: str, pieces: list[Piece]) -> None:
    assert read(text) == pieces


def test_a_link_that_stands_in_a_passage_stays() -> None:
    passage = "The recipe is at https://example.org/soup, and (www.example.org/bread)."
    allowed = links_in(passage)
    assert allowed == {"https://example.org/soup", "www.example.org/bread"}
    assert read("See https://example.org/soup.", links=allowed) == [Said("See https://example.org/soup.")]
    assert read("See https://example.org/soup?q=1", links=allowed) == [Said("See (link removed)")]
