"""Summaries, topics, and all insights of one note."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared.extractive import insights, keywords, summarise
from shared.text.morphology import default_morphology

WRITTEN = datetime(2026, 3, 14, tzinfo=UTC)
LONG_EN = (
    "We walked to the river in the morning. The river was high after the rain. Tom brought bread for the ducks by the "
    "river. A heron stood in the reeds. We had soup at the inn. The bus home was late. The river will rise again."
)
LONG_KO = (
    "아침에 강가로 산책을 갔다. 비가 온 뒤라 강물이 불어 있었다. 지우가 강가의 오리에게 빵을 던졌다. 식당에서 국수를 먹었다. "
    "버스가 늦게 왔다. 집에 와서 낮잠을 잤다. 내일 또 강가에 가기로 했다."
)


@pytest.mark.parametrize("text", [LONG_EN, LONG_KO])
def test_a_summary_is_made_of_the_texts_own_sentences_in_order(text: str) -> None:
    summary = summarise(text)
    kept = [part.strip() + "." for part in summary.split(".") if part.strip()]
    assert len(kept) == 2
    assert all(part in text for part in kept)
    assert text.index(kept[0]) < text.index(kept[1])


def test_what_a_text_is_about_is_in_its_summary() -> None:
    assert "river" in summarise(LONG_EN)
    assert "강가" in summarise(LONG_KO)


def test_a_short_note_is_its_own_summary() -> None:
    assert summarise("  Milk\n and bread. ") == "Milk and bread."
    assert summarise("") == ""


def test_a_text_without_end_is_summarised_within_bounds() -> None:
    assert len(summarise("word " * 50_000)) <= 301
    assert len(summarise("".join(f"Sentence number {n} says something else. " for n in range(5_000)))) <= 301


def test_topics_are_nouns_in_korean_and_telling_words_in_english() -> None:
    korean = keywords("오늘 베란다 텃밭에서 상추를 땄다. 상추로 쌈을 먹었다.", morphology=default_morphology())
    assert korean[0] == "상추"
    assert {"베란다", "텃밭"} <= set(korean) or "베란다텃밭" in korean
    assert {"allotment", "tomatoes"} <= set(
        keywords("The allotment gave us tomatoes. I made sauce of the tomatoes today.")
    )


def test_without_an_analyser_words_lose_their_particles() -> None:
    assert keywords("상추를 땄다. 상추가 컸다.") == ["상추"]


def test_a_mixed_text_has_topics_of_both_languages() -> None:
    topics = keywords(
        "프로젝트 회의에서 budget report를 발표했다. 프로젝트 일정도 정했다.", morphology=default_morphology()
    )
    assert "프로젝트" in topics
    assert {"budget", "report"} & set(topics)


@pytest.mark.parametrize("text", ["", "오늘 어제 내일", "the and of today", "😀 123 !!"])
def test_everyday_words_are_no_topics(text: str) -> None:
    assert keywords(text, morphology=default_morphology()) == []


def test_all_insights_of_a_note() -> None:
    found = insights(
        "어제 지우가 자전거를 탔다. 넘어질까 봐 걱정했지만 너무 뿌듯했다.",
        occurred_at=WRITTEN,
        known_people=["지우"],
        morphology=default_morphology(),
    )
    assert found.people == ["지우"]
    assert found.dates == ["2026-03-13"]
    assert found.topics == ["자전거"]
    assert [emotion.label for emotion in found.emotions] == ["pride", "worry"]
    assert found.summary.startswith("어제 지우가")


@settings(deadline=None, max_examples=40)
@given(st.text(max_size=400))
def test_any_text_has_insights_and_always_the_same(text: str) -> None:
    first = insights(text, occurred_at=WRITTEN)
    assert first == insights(text, occurred_at=WRITTEN)
    assert len(first.topics) <= 5
    assert all(topic == topic.lower() for topic in first.topics)


def test_importing_loads_no_heavy_library() -> None:
    code = "import shared.extractive, shared.text.tokenise, shared.vectors, sys; print([m for m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("sumy", "yake", "nltk", "numpy", "kiwipiepy", "qdrant_edge", "qdrant_client", "Stemmer"):
        assert f"'{heavy}'" not in loaded
