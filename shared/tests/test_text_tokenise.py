"""Which words of a text find it again."""

import threading
import unicodedata
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.text.morphology import KiwiMorphology, Morpheme, default_morphology
from shared.text.tokenise import STOP_WORDS, has_hangul, terms


@dataclass
class OneMorpheme:
    """An analyser that answers every text with one given morpheme."""

    form: str
    tag: str
    version: str = "test"

    def morphemes(self, text: str) -> list[Morpheme]:
        return [Morpheme(self.form, self.tag, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n ", []),
        ("Running RUNS", ["run", "run"]),
        ("the cat and a dog", ["cat", "dog"]),
        ("시장에서", ["시장", "장에", "에서"]),
        ("귤", ["귤"]),
        ("okㅋㅋㅋ", ["ok", "\u110f\u110f\u110f"]),
        ("東京都", ["東京", "京都"]),
        ("2024년", ["2024", "년"]),
        ("IL-6", ["il", "6", "il6"]),
        ("co-worker/boss", ["co", "worker", "boss", "coworkerboss"]),
        ("ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"]),
        ("Mom's café", ["mom", "café"]),
        ("we’re don't", ["don"]),
        ("snake_case", ["snake", "case"]),
        ("😀 ... !", []),
        ("5'UTR", ["5", "utr"]),
    ],
)
def test_terms_of_a_text(text: str, expected: list[str]) -> None:
    assert terms(text, morphology=None) == expected


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("시장에 갔던 날", "전통시장에서 귤을 샀다"),
        ("picnics", "We had a PICNIC"),
        ("우리집", "우리 집"),
        ("cafe", "ｃａｆｅ"),
        ("IL6", "IL-6 levels"),
    ],
)
def test_a_question_meets_the_text_in_another_form(question: str, text: str) -> None:
    assert set(terms(question, morphology=None)) & set(terms(text, morphology=None))


@settings(deadline=None)
@given(st.text())
def test_composed_and_decomposed_text_have_the_same_terms(text: str) -> None:
    assert terms(unicodedata.normalize("NFKD", text), morphology=None) == terms(
        unicodedata.normalize("NFKC", text), morphology=None
    ) or unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text)) != unicodedata.normalize("NFKC", text)


@settings(deadline=None)
@given(st.text(max_size=500))
def test_any_text_has_terms_without_space_stop_words_or_upper_case(text: str) -> None:
    for term in terms(text, morphology=None):
        assert term
        assert not any(character.isspace() for character in term)
        assert term not in STOP_WORDS or not term.isascii()


def test_a_word_without_end_is_no_term() -> None:
    assert terms("x" * 10_000, morphology=None) == []
    assert len(terms("가" * 10_000, morphology=None)) == 9_999


def test_morphemes_are_added_only_where_there_is_hangul() -> None:
    analyser = OneMorpheme("먹", "VV")
    assert terms("밥을", morphology=analyser) == ["밥을", "k:먹"]
    assert terms("rice", morphology=analyser) == ["rice"]


def test_foreign_words_inside_korean_are_stemmed_and_stop_words_left_out() -> None:
    assert terms("밥", morphology=OneMorpheme("Meetings", "SL")) == ["밥", "k:meet"]
    assert terms("밥", morphology=OneMorpheme("the", "SL")) == ["밥"]


@pytest.mark.parametrize("tag", ["JKS", "EF", "SF", "EC", "XSV"])
def test_particles_and_endings_are_no_terms(tag: str) -> None:
    assert terms("밥", morphology=OneMorpheme("이", tag)) == ["밥"]


def test_hangul_is_noticed() -> None:
    assert has_hangul("a 가 b")
    assert not has_hangul("plain ㅋㅋ 漢字")


def test_kiwi_finds_the_verb_behind_its_ending() -> None:
    found = terms("엄마가 김치를 담그셨다", morphology=default_morphology())
    assert {"k:엄마", "k:김치", "k:담그"} <= set(found)


def test_a_process_has_one_analyser_that_tells_its_version() -> None:
    assert default_morphology() is default_morphology()
    assert default_morphology().version.startswith("kiwi-")


def test_the_model_is_loaded_at_the_first_text_and_not_before() -> None:
    assert not KiwiMorphology().loaded


def test_several_threads_get_the_same_morphemes() -> None:
    analyser = default_morphology()
    expected = analyser.morphemes("오늘은 바다에 갔다")
    answers: list[list[Morpheme]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(analyser.morphemes("오늘은 바다에 갔다"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 8
    assert analyser.loaded
