"""BM25 as sparse vectors."""

import zlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.text.sparse import (
    FIRST_MEAN,
    K1,
    B,
    LengthStats,
    chunk_counts,
    document_vector,
    entry_vectors,
    lengths,
    query_vector,
    term_id,
)

words = st.lists(st.sampled_from(["a", "b", "c", "가", "나", "k:가"]), max_size=30)


def test_a_weight_is_the_bm25_formula() -> None:
    vector = document_vector(["x", "x", "y"], mean_length=6)
    saturation = K1 * (1 - B + B * 3 / 6)
    expected = {zlib.crc32(b"x"): 2 * (K1 + 1) / (2 + saturation), zlib.crc32(b"y"): (K1 + 1) / (1 + saturation)}
    assert dict(zip(vector.indices, vector.values, strict=True)) == pytest.approx(expected)


def test_ids_are_unsigned_and_of_the_utf8_bytes() -> None:
    assert term_id("가나") == zlib.crc32("가나".encode())
    assert 0 <= term_id("x") < 2**32


@settings(deadline=None)
@given(words, st.floats(0.1, 1e4))
def test_indices_ascend_without_repeats_and_weights_are_bounded(terms: list[str], mean: float) -> None:
    vector = document_vector(terms, mean)
    assert vector.indices == sorted(set(vector.indices))
    assert len(vector.values) == len(set(terms))
    assert all(0 < value <= K1 + 1 for value in vector.values)


@settings(deadline=None)
@given(words)
def test_order_of_words_does_not_matter(terms: list[str]) -> None:
    assert document_vector(terms, 10) == document_vector(sorted(terms), 10)


def test_a_longer_text_gives_each_word_less() -> None:
    short, long = document_vector(["x"], 10), document_vector(["x"] + ["y"] * 50, 10)
    assert short.values[0] > dict(zip(long.indices, long.values, strict=True))[term_id("x")]


def test_a_question_weighs_by_count_and_morphemes_half_as_much_again() -> None:
    vector = query_vector(["x", "x", "k:가"])
    assert dict(zip(vector.indices, vector.values, strict=True)) == {term_id("x"): 2.0, term_id("k:가"): 1.5}


def test_an_empty_text_is_an_empty_vector() -> None:
    assert document_vector([], 10).indices == query_vector([]).indices == []
    assert chunk_counts(["title"], []) == []


def test_a_chunk_alone_has_its_own_words_and_the_title() -> None:
    assert chunk_counts(["t"], [["a", "a", "t"]]) == [{"a": 2, "t": 2}]


def test_neighbours_lend_a_share_of_their_words_as_far_as_they_are_near() -> None:
    counts = chunk_counts([], [[f"w{n}"] for n in range(10)])
    assert counts[0] == pytest.approx({"w0": 1, "w1": 0.4, "w2": 0.4, "w3": 0.4, "w4": 0.4})
    assert counts[5]["w5"] == 1
    assert set(counts[5]) == {f"w{n}" for n in range(1, 10)}


def test_the_chunk_that_says_it_beats_the_chunk_beside_it() -> None:
    first, second = entry_vectors(chunk_counts([], [["x", "a"], ["b", "c"]]), 3)
    weight = [dict(zip(v.indices, v.values, strict=True)).get(term_id("x"), 0) for v in (first, second)]
    assert weight[0] > weight[1] > 0


@settings(deadline=None)
@given(st.lists(words, max_size=6), words)
def test_lengths_are_what_the_vectors_were_weighted_with(chunks: list[list[str]], title: list[str]) -> None:
    counts = chunk_counts(title, chunks)
    assert lengths(counts) == pytest.approx([sum(Counter(count).values()) for count in counts])
    assert len(entry_vectors(counts, 10)) == len(chunks)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 500).map(float), max_size=5), max_size=10))
def test_statistics_are_the_mean_of_what_is_there(entries: list[list[float]]) -> None:
    stats = LengthStats()
    for entry in entries:
        stats = stats.add(entry)
    everything = [length for entry in entries for length in entry]
    assert stats.mean == pytest.approx(sum(everything) / len(everything) if everything else FIRST_MEAN)
    for entry in entries:
        stats = stats.remove(entry)
    assert stats == LengthStats()


def test_removing_more_than_there_is_leaves_nothing() -> None:
    assert LengthStats(1, 10).remove([10, 10]) == LengthStats()
    assert LengthStats(2, 10).remove([50]) == LengthStats(1, 0)
    assert LengthStats(2, 10).remove([50]).mean == FIRST_MEAN
