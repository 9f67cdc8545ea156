"""Chunks hold a body whole, at exact offsets, and stay where they are when something else changes."""

import hashlib
import random
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shared.text.chunking import Chunk, prefix, split
from shared.text.sentences import paragraphs, sentences

KOREAN = [
    "오늘은 엄마와 시장에 갔다.",
    "너무 좋았어요!",
    "그런데 비가 왔다고 했다.",
    "3.5킬로를 걸었다.",
    "왜 그랬을까?",
]
ENGLISH = ["We walked to the river.", "Dr. Kim said no!", "It cost 3.5 dollars.", "Was it worth it?", "Yes."]
bodies = st.one_of(
    st.text(max_size=3_000),
    st.lists(st.sampled_from(KOREAN + ENGLISH + ["\n", "\n\n", " ", "  \n \n", "😀", "x" * 400]), max_size=120).map(
        "".join
    ),
)


def visible(text: str) -> str:
    return "".join(text.split())


@settings(deadline=None)
@given(bodies, st.integers(1, 1_000))
@example("a" * 5_000, 900)
@example("가 " * 2_000, 900)
@example("\ud800 lone surrogate", 10)
def test_chunks_hold_everything_in_order_at_exact_offsets(body: str, limit: int) -> None:
    chunks = split(body, limit=limit)
    assert visible("".join(chunk.text for chunk in chunks)) == visible(body)
    end = 0
    for ordinal, chunk in enumerate(chunks):
        assert chunk.ordinal == ordinal
        assert body[chunk.start : chunk.end] == chunk.text
        assert end <= chunk.start < chunk.end
        assert chunk.text == chunk.text.strip()
        assert len(chunk.text) <= limit
        assert chunk.sha256 == hashlib.sha256(chunk.text.encode("utf-8", "surrogatepass")).hexdigest()
        end = chunk.end


@settings(deadline=None)
@given(bodies)
def test_sentences_and_paragraphs_hold_everything_in_order(body: str) -> None:
    for spans in (sentences(body), paragraphs(body)):
        assert visible("".join(body[start:end] for start, end in spans)) == visible(body)
        assert spans == sorted(spans)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Dr. Kim said no. Then J. Smith left.", ["Dr. Kim said no.", "Then J. Smith left."]),
        ("It was No. 5. Fine.", ["It was No. 5.", "Fine."]),
        ("He paid 3.5 dollars. Good.", ["He paid 3.5 dollars.", "Good."]),
        ('"Really?" She left.', ['"Really?"', "She left."]),
        ("오늘은 좋았다. 내일도 가자!", ["오늘은 좋았다.", "내일도 가자!"]),
        ("2026. 3. 14. 맑음. 산책했다.", ["2026. 3. 14.", "맑음.", "산책했다."]),
        ("첫 줄\n둘째 줄", ["첫 줄", "둘째 줄"]),
        ("これは文です。次の文。", ["これは文です。", "次の文。"]),
        ("Hmm... then what?", ["Hmm...", "then what?"]),
        ("", []),
        (" \n\n ", []),
    ],
)
def test_sentences_of_a_text(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in sentences(text)] == expected


def test_a_line_break_inside_a_wrapped_sentence_does_not_end_it() -> None:
    wrapped = "The committee that had been meeting since the early\nmorning could not agree. It left."
    assert len(sentences(wrapped)) == 2
    korean = "위원회는 아침 일찍부터 모여 여러 안건을 하나씩 살펴보고 있었지만 결국\n합의하지 못했다. 모두 떠났다."
    assert len(sentences(korean)) == 2


def test_short_paragraphs_share_a_chunk_and_long_ones_do_not_mix() -> None:
    diary = "\n\n".join(["짧은 문단이다."] * 4)
    assert [chunk.text for chunk in split(diary)] == [diary]
    first, second = "가나다. " * 100, "라마바. " * 100
    assert [chunk.text for chunk in split(f"{first}\n\n{second}")] == [first.strip(), second.strip()]


def test_sentences_are_not_cut_where_they_fit() -> None:
    body = " ".join(f"This is sentence number {n}, which says a little." for n in range(200))
    for chunk in split(body):
        assert chunk.text.startswith("This")
        assert chunk.text.endswith(".")
        assert 300 <= len(chunk.text) <= 900


def test_a_chunk_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        split("text", limit=0)


def _edited(body: str, rng: random.Random) -> str:
    start, end = rng.choice(sentences(body))
    return body[:start] + "This sentence was written anew, 새로 썼다." + body[end:]


def _re_embedded(before: list[Chunk], after: list[Chunk]) -> float:
    known = {chunk.sha256 for chunk in before}
    changed = sum(len(chunk.text) for chunk in after if chunk.sha256 not in known)
    return changed / sum(len(chunk.text) for chunk in after)


@pytest.mark.parametrize("separator", [" ", "\n", "\n\n"])
def test_an_edited_sentence_costs_an_eighth_of_a_long_text_at_most(separator: str) -> None:
    """The mean over a hundred edits of texts of about 8,000 characters, ten to twenty chunks."""
    rng = random.Random(5)
    shares = []
    for _ in range(100):
        body = ""
        while len(body) < 8_000:
            count = rng.randint(3, 9)
            body += (
                " ".join(f"{rng.choice(KOREAN + ENGLISH)[:-1]} {rng.randrange(10**6)}." for _ in range(count))
                + separator
            )
        shares.append(_re_embedded(split(body), split(_edited(body, rng))))
    assert sum(shares) / len(shares) <= 0.12


@pytest.mark.parametrize(
    ("title", "day", "expected"),
    [
        ("Picnic", datetime(2026, 3, 14, 23, 59, tzinfo=UTC), "Picnic · 2026-03-14\n"),
        ("  ", datetime(2026, 3, 14, tzinfo=UTC), "2026-03-14\n"),
        ("소풍", None, "소풍\n"),
        (None, None, ""),
    ],
)
def test_the_prefix_tells_title_and_day(title: str | None, day: datetime | None, expected: str) -> None:
    assert prefix(title, day) == expected
