"""Sentences, chunks and terms: what a small change in a rule would break, and texts made to be slow."""

from __future__ import annotations

import random
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from shared.text.chunking import LIMIT, Chunk, prefix, split
from shared.text.morphology import Morpheme
from shared.text.sentences import paragraphs, sentences, trimmed
from shared.text.sparse import LengthStats, chunk_counts, document_vector, entry_vectors, query_vector, term_id
from shared.text.tokenise import MORPHEME_PREFIX, STOP_WORDS, has_hangul, normalise, stem, terms

LONG = "위원회는 아침 일찍부터 모여 여러 안건을 하나씩 살펴보고 있었지만 결국"
LONG_EN = "The committee that had been meeting since the early"


def _texts(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. and Mrs. Han came. We ate.", ["Mr. and Mrs. Han came.", "We ate."]),
        ("See Fig. 3 and p. 12. Done.", ["See Fig. 3 and p. 12.", "Done."]),
        ("There was no. It hurt.", ["There was no.", "It hurt."]),
        ("e.g. this one. Next.", ["e.g. this one.", "Next."]),
        ("It was approx. five. Yes.", ["It was approx. five.", "Yes."]),
        ("So did I. We left.", ["So did I.", "We left."]),
        ("J. R. Tolkien wrote it. Good.", ["J. R. Tolkien wrote it.", "Good."]),
        ("(Dr. Lee) said so. OK.", ["(Dr. Lee) said so.", "OK."]),
        ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        ("“정말?” 하고 물었다. 네.", ["“정말?”", "하고 물었다.", "네."]),
        ("(끝났다.) 다음 날이었다.", ["(끝났다.)", "다음 날이었다."]),
        ("Wait... what?!", ["Wait...", "what?!"]),
        ("정말?!! 그래… 알았어.", ["정말?!!", "그래…", "알았어."]),
        ("v1.2.3 is out. Fine.", ["v1.2.3 is out.", "Fine."]),
        ("see example.com/a.b for more", ["see example.com/a.b for more"]),
        ("你好。再见！好吗？", ["你好。", "再见！", "好吗？"]),
        ("「はい。」と言った。次。", ["「はい。」", "と言った。", "次。"]),
        ("one\n\ntwo", ["one", "two"]),
        ("one\r\n\r\ntwo", ["one", "two"]),
        ("one \n \t\n two", ["one", "two"]),
        ("...", ["..."]),
        (". . .", [".", ".", "."]),
        ("\n\n\n", []),
        ("a", ["a"]),
    ],
)
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert _texts(text) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (f"{LONG_EN}\nmorning could not agree.", 1),
        (f"{LONG_EN}\n   morning could not agree.", 1),
        (f"{LONG_EN}\n\nmorning could not agree.", 2),
        (f"{LONG_EN}\nMorning came.", 2),
        (f"{LONG_EN}\n- a list", 2),
        (f"{LONG_EN}:\nthe agenda", 2),
        (f"{LONG}\n합의하지 못했다.", 1),
        (f"{LONG}\n\n합의하지 못했다.", 2),
        (f"{LONG} 끝났다\n합의하지 못했다.", 2),
        (f"{LONG} 좋았음\n다음 날", 2),
        ("짧은 줄\n이어지는 줄", 2),
        ("short line\nnext line", 2),
    ],
)
def test_which_line_breaks_end_a_sentence(text: str, count: int) -> None:
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n\ntwo", ["one", "two"]),
        ("one\n \t \ntwo", ["one", "two"]),
        ("one\n\n\n\n\ntwo\n\n", ["one", "two"]),
        ("one\ntwo", ["one\ntwo"]),
        ("\n\n  one  \n\n", ["one"]),
        ("one\n\u3000\n둘", ["one", "둘"]),
        ("", []),
    ],
)
def test_where_paragraphs_end(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in paragraphs(text)] == expected


def test_a_stretch_is_read_as_if_it_stood_alone() -> None:
    text = "First one. Second one. Third."
    assert [text[start:end] for start, end in sentences(text, 11, 22)] == ["Second one."]
    assert sentences(text, 5, 5) == []
    assert trimmed("  a b  ", 0, 7) == (2, 5)
    assert trimmed("    ", 0, 4) == (4, 4)


@pytest.mark.parametrize(
    "text",
    [
        "a" + "\n" * 60_000 + "b",
        "." * 60_000 + "a",
        "?!" * 40_000 + "a",
        "." + ")" * 60_000 + "a",
        "。" * 40_000,
        "a" * 60_000,
        " \n" * 40_000 + "a",
        "\n" + " " * 60_000 + "a",
        "a-" * 40_000 + "!",
        "가" * 40_000,
        "1" * 40_000 + "-",
        ("x" * 500 + " ") * 400,
    ],
    ids=lambda text: f"{text[:4]!r}…",
)
def test_no_text_is_slow_to_read(text: str) -> None:
    """Each would take minutes if a rule looked at the same stretch again from each of its places."""
    assert len(sentences(text)) + len(paragraphs(text)) >= 1
    assert "".join(_texts(text)).split() == text.split() or not text.strip() or len(sentences(text)) > 1
    assert all(len(chunk.text) <= LIMIT for chunk in split(text))
    terms(text, morphology=None)


@pytest.mark.parametrize(
    ("limit", "body", "expected"),
    [
        (10, "aaaa bbbb cccc dddd", ["aaaa bbbb", "cccc dddd"]),
        (10, "aaaaaaaaaaaaaaa", ["aaaaaaaaaa", "aaaaa"]),
        (10, "aaaaaaaaa\nbbbbbbbbb", ["aaaaaaaaa", "bbbbbbbbb"]),
        (24, "one\n\ntwo\n\nthree", ["one\n\ntwo", "three"]),
        (5, "", []),
        (5, "  \n ", []),
        (1, "a b", ["a", "b"]),
        (3, "😀😀😀😀", ["😀😀😀", "😀"]),
    ],
)
def test_chunks_of_small_bodies(limit: int, body: str, expected: list[str]) -> None:
    assert [chunk.text for chunk in split(body, limit=limit)] == expected


def test_a_short_paragraph_before_a_long_one_stays_with_neither_when_both_do_not_fit() -> None:
    long = " ".join(f"Sentence {n} says a little more than nothing." for n in range(40))
    chunks = split(f"Short one.\n\n{long}")
    assert chunks[0].text == "Short one."
    assert chunks[1].start == len("Short one.\n\n")
    assert chunks[-1].end == len(f"Short one.\n\n{long}")


def test_a_third_of_the_limit_is_enough_for_a_chunk_of_its_own() -> None:
    paragraph = "x" * 299 + "."
    assert [chunk.text for chunk in split(f"{paragraph}\n\nshort")] == [paragraph, "short"]
    shorter = "x" * 298 + "."
    assert [chunk.text for chunk in split(f"{shorter}\n\nshort")] == [f"{shorter}\n\nshort"]


def test_the_prefix_has_the_day_as_the_entry_has_it() -> None:
    seoul = timezone(timedelta(hours=9))
    assert prefix(" 소풍 ", datetime(2026, 3, 15, 0, 30, tzinfo=seoul)) == "소풍 · 2026-03-15\n"
    assert prefix("", None) == ""
    assert prefix(None, datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02\n"


def _shares(before: list[Chunk], after: list[Chunk]) -> int:
    known = {chunk.sha256 for chunk in before}
    return sum(len(chunk.text) for chunk in after if chunk.sha256 not in known)


class EditedText(RuleBasedStateMachine):
    """Somebody writes on and on; what is embedded anew stays near the place of the edit."""

    def __init__(self) -> None:
        super().__init__()
        rng = random.Random(3)
        self.paragraphs = [
            " ".join(f"Line {rng.randrange(10**6)} of the day, 그리고 조금 더." for _ in range(rng.randint(2, 30)))
            for _ in range(12)
        ]
        self.chunks = split(self.body)

    @property
    def body(self) -> str:
        return "\n\n".join(self.paragraphs)

    def _edited(self, most: int) -> None:
        before, self.chunks = self.chunks, split(self.body)
        assert _shares(before, self.chunks) <= most

    @rule(at=st.integers(0, 100), words=st.integers(1, 30))
    def append_to_a_paragraph(self, at: int, words: int) -> None:
        at %= len(self.paragraphs)
        self.paragraphs[at] += f" Added {' word' * words}."
        self._edited(len(self.paragraphs[at]) + 4 * LIMIT)

    @rule(at=st.integers(0, 100))
    def begin_anew_before(self, at: int) -> None:
        at %= len(self.paragraphs)
        self.paragraphs[at] = f"새로 쓴 첫 문장 {at}. " + self.paragraphs[at]
        self._edited(4 * LIMIT)

    @rule(at=st.integers(0, 100))
    def insert_a_long_paragraph(self, at: int) -> None:
        new = " ".join(f"Inserted sentence number {n} of {at}." for n in range(14))
        self.paragraphs.insert(at % (len(self.paragraphs) + 1), new)
        self._edited(len(new) + 3 * LIMIT)

    @rule(at=st.integers(0, 100))
    def remove_a_paragraph(self, at: int) -> None:
        if len(self.paragraphs) > 3:
            del self.paragraphs[at % len(self.paragraphs)]
            self._edited(3 * LIMIT)

    @rule()
    def save_without_a_change(self) -> None:
        assert split(self.body) == self.chunks

    @invariant()
    def every_letter_is_in_one_chunk(self) -> None:
        assert "".join("".join(chunk.text for chunk in self.chunks).split()) == "".join(self.body.split())
        assert all(self.body[chunk.start : chunk.end] == chunk.text for chunk in self.chunks)


EditedText.TestCase.settings = settings(max_examples=12, stateful_step_count=12, deadline=None)
test_edits_stay_where_they_are_made = EditedText.TestCase


class Tagged:
    """An analyser with fixed answers; it remembers what it was asked."""

    version = "test"

    def __init__(self, *morphemes: tuple[str, str]) -> None:
        self._morphemes = morphemes
        self.asked: list[str] = []

    def morphemes(self, text: str) -> list[Morpheme]:
        self.asked.append(text)
        return [Morpheme(form, tag, 0, 1) for form, tag in self._morphemes]


@pytest.mark.parametrize("tag", ["NNG", "NNP", "NNB", "NR", "NP", "MM", "MAG", "SN", "SH", "VV", "VA", "VV-I", "XR"])
def test_morphemes_with_a_meaning_are_terms(tag: str) -> None:
    assert terms("가", morphology=Tagged(("Xy", tag)))[-1] == "k:xy"


@pytest.mark.parametrize("tag", ["JKS", "EF", "EC", "XSV", "SF", "SP", "VCP", "VX", "IC", "UN"])
def test_morphemes_of_grammar_are_none(tag: str) -> None:
    assert terms("가", morphology=Tagged(("은", tag))) == ["가"]


def test_foreign_words_among_morphemes_are_stemmed_and_stopped() -> None:
    found = terms("가", morphology=Tagged(("Meetings", "SL"), ("The", "SL"), ("2026", "SN")))
    assert found == ["가", "k:meet", "k:2026"]


def test_the_analyser_is_asked_only_about_korean_and_in_normal_form() -> None:
    analyser = Tagged()
    terms("only English, 123", morphology=analyser)
    assert analyser.asked == []
    terms(unicodedata.normalize("NFD", "ＡＢ 시장"), morphology=analyser)
    assert analyser.asked == ["ab 시장"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("self-driving cars", ["self", "drive", "car", "selfdriving"]),
        ("and/or", ["andor"]),
        ("2026-03-14", ["2026", "03", "14", "20260314"]),
        ("a–b", ["b", "ab"]),
        ("-start and end-", ["start", "end"]),
        ("x--y", ["x", "y"]),
        ("COVID-19", ["covid", "19", "covid19"]),
        ("é-1-2", ["é", "1", "2", "12"]),
        ("they'll we've I'm", []),
        ("O'Brien", ["o", "brien"]),
        ("ㅠㅠ", ["\u1172\u1172"]),
        ("서울Seoul서울", ["서울", "seoul", "서울"]),
        ("カフェ", ["カフ", "フェ"]),
        ("①②", ["12"]),
        ("½", ["1", "2"]),
        ("z" * 64, ["z" * 64]),
        ("z" * 65, []),
        (f"{'a' * 40}-{'b' * 40}", ["a" * 40, "b" * 40]),
    ],
)
def test_terms_of_odd_words(text: str, expected: list[str]) -> None:
    assert terms(text, morphology=None) == expected


def test_every_stop_word_is_stopped_and_spelled_as_it_is_compared() -> None:
    assert terms(" ".join(STOP_WORDS), morphology=None) == []
    assert all(word == normalise(word) for word in STOP_WORDS)


@pytest.mark.parametrize(
    ("text", "korean"), [("abc", False), ("가", True), ("ㅋㅋ", False), ("日本", False), ("a힣", True)]
)
def test_hangul_means_syllables(text: str, korean: bool) -> None:
    assert has_hangul(text) is korean


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=2, max_size=30))
def test_bigrams_overlap_and_rebuild_the_word(word: str) -> None:
    found = terms(word, morphology=None)
    assert len(found) == len(word) - 1
    assert found[0] + "".join(bigram[1] for bigram in found[1:]) == word


def test_a_stem_is_the_same_in_every_thread() -> None:
    from concurrent.futures import ThreadPoolExecutor

    words = ["running", "flies", "happily", "generously"] * 20
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(stem, words)) == [stem(word) for word in words]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from("abcde"), max_size=8), max_size=12),
    st.lists(st.sampled_from("xyz"), max_size=3),
)
def test_what_stands_far_away_weighs_nothing(chunks: list[list[str]], title: list[str]) -> None:
    for position, counts in enumerate(chunk_counts(title, chunks)):
        near = [word for other in chunks[max(0, position - 4) : position + 5] for word in other]
        assert set(counts) == {*near, *title}
        assert sum(counts.values()) == pytest.approx(
            len(chunks[position]) + len(title) + 0.4 * (len(near) - len(chunks[position]))
        )


def test_vectors_of_an_entry_are_those_of_its_texts_when_it_is_one_chunk() -> None:
    words = ["a", "b", "a"]
    assert entry_vectors(chunk_counts([], [words]), 7.5) == [document_vector(words, 7.5)]


def test_a_mean_below_one_counts_as_one() -> None:
    assert document_vector(["a"], 0.0) == document_vector(["a"], 1.0)
    assert document_vector(["a"], 0.0) != document_vector(["a"], 2.0)


def test_only_morphemes_weigh_more_in_a_question() -> None:
    vector = query_vector([f"{MORPHEME_PREFIX}시장", "시장", "kimchi"])
    weights = dict(zip(vector.indices, vector.values, strict=True))
    assert [weights[term_id(term)] for term in ("k:시장", "시장", "kimchi")] == [1.5, 1.0, 1.0]
    assert vector.indices == sorted(vector.indices)


def test_statistics_are_values_and_never_change() -> None:
    stats = LengthStats(2, 30)
    assert stats.add([]) == stats.remove([]) == stats
    assert stats.add([10]).mean == pytest.approx(40 / 3)
    assert stats.remove([10]).mean == 20
    assert stats.mean == 15
