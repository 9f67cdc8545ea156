"""Answers are sentences of the passages, at their places, or a refusal."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.extractive import Passage, answer
from shared.text.morphology import Morphology, default_morphology

PASSAGES = [
    Passage("We cycled along the canal to the lock. Leo rang the bell at every duck.", "Bike ride"),
    Passage("The tap kept dripping, so I replaced the washer. It took three trips to the shop.", "Leaky tap"),
    Passage("베란다에 상추와 방울토마토 모종을 심었다. 하준이가 물뿌리개를 독차지했다.", "베란다 텃밭"),
    Passage("형과 제사 준비 때문에 다퉜다. 어머니가 조용히 우셨다.", "말다툼"),
]


@pytest.fixture(params=["with morphemes", "without"])
def morphology(request: pytest.FixtureRequest) -> Morphology | None:
    return default_morphology() if request.param == "with morphemes" else None


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How did I fix the dripping tap?", "The tap kept dripping, so I replaced the washer."),
        ("Where did we cycle?", "We cycled along the canal to the lock."),
        ("베란다에 뭘 심었지?", "베란다에 상추와 방울토마토 모종을 심었다."),
        ("형이랑 왜 다퉜지?", "형과 제사 준비 때문에 다퉜다."),
    ],
)
def test_the_sentence_that_answers_comes_first(question: str, expected: str, morphology: Morphology | None) -> None:
    answered = answer(question, PASSAGES, morphology=morphology)
    assert answered.extracts[0].text == expected
    assert not answered.refused


@pytest.mark.parametrize(
    "question",
    [
        "When is my passport due for renewal?",
        "Which hotel did we book in Tokyo?",
        "전세 계약 만료일이 언제야?",
        "드럼 동호회 회비는 얼마였어?",
        "What did I say?",
        "뭐였지?",
        "",
        "???",
    ],
)
def test_a_question_without_evidence_is_refused(question: str, morphology: Morphology | None) -> None:
    answered = answer(question, PASSAGES, morphology=morphology)
    assert answered.refused
    assert answered.extracts == []


def test_without_passages_there_is_no_answer() -> None:
    assert answer("How did I fix the tap?", []).refused


def test_a_word_of_the_same_feeling_is_evidence() -> None:
    passages = [Passage("I was furious with Mark after the meeting."), Passage("The garden was green.")]
    assert answer("When was I angry with Mark?", passages).extracts[0].passage == 0


def test_a_title_is_evidence_but_is_not_quoted() -> None:
    [extract] = answer("biopsy result", [Passage("It is benign.", "Biopsy result")]).extracts
    assert extract.text == "It is benign."


def test_no_more_sentences_than_asked_for() -> None:
    passages = [Passage("The tap drips. The tap drips again. The tap still drips. That tap.")]
    assert len(answer("tap drips", passages, most=2).extracts) == 2


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["tap", "drips", "river", "귤을", "샀다", ". ", "!\n", " "]), max_size=8).map("".join),
    st.lists(
        st.lists(st.sampled_from(["tap ", "drips. ", "river! ", "귤을 ", "샀다. ", "\n\n"]), max_size=12).map("".join),
        max_size=4,
    ),
)
def test_every_extract_stands_where_it_says(question: str, texts: list[str]) -> None:
    answered = answer(question, [Passage(text) for text in texts])
    assert 0 <= answered.evidence <= 1 + 1e-9
    for extract in answered.extracts:
        assert texts[extract.passage][extract.start : extract.end] == extract.text
    assert answered == answer(question, [Passage(text) for text in texts])
